// One image row: made contiguous, split into planes, turned into luma.
#include <string.h>

#if defined(EG_SCALAR)
#elif defined(__SSE2__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

#include "level.hpp"

namespace eg::simd::EG_LEVEL {
namespace {

constexpr std::size_t kLine = 64;

#if defined(__AVX2__)

struct Colours {
    __m256i blue, green, red;
};

// 32 pixels. Every third byte is a colour's: two blends bring those of a colour together, whatever
// register they are in, and one shuffle into order.
Colours split(const std::uint8_t* bgr) {
    const auto load = [](const std::uint8_t* from) {
        return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
    };
    const __m256i third = _mm256_setr_epi8(0, 0, -1, 0, 0, -1, 0, 0, -1, 0, 0, -1, 0, 0, -1, 0, 0,
                                           -1, 0, 0, -1, 0, 0, -1, 0, 0, -1, 0, 0, -1, 0, 0);
    const __m256i second = _mm256_setr_epi8(0, -1, 0, 0, -1, 0, 0, -1, 0, 0, -1, 0, 0, -1, 0, 0, -1,
                                            0, 0, -1, 0, 0, -1, 0, 0, -1, 0, 0, -1, 0, 0, -1);
    const __m256i v0 = load(bgr), v1 = load(bgr + 32), v2 = load(bgr + 64);
    const __m256i low = _mm256_permute2x128_si256(v0, v2, 0x20);
    const __m256i high = _mm256_permute2x128_si256(v0, v2, 0x31);
    const auto ordered = [&](__m256i base, __m256i at_third, __m256i at_second, __m128i order) {
        const __m256i mixed = _mm256_blendv_epi8(base, at_third, third);
        return _mm256_shuffle_epi8(_mm256_blendv_epi8(mixed, at_second, second),
                                   _mm256_broadcastsi128_si256(order));
    };
    return {
        ordered(low, high, v1, _mm_setr_epi8(0, 3, 6, 9, 12, 15, 2, 5, 8, 11, 14, 1, 4, 7, 10, 13)),
        ordered(high, v1, low, _mm_setr_epi8(1, 4, 7, 10, 13, 0, 3, 6, 9, 12, 15, 2, 5, 8, 11, 14)),
        ordered(v1, low, high, _mm_setr_epi8(2, 5, 8, 11, 14, 1, 4, 7, 10, 13, 0, 3, 6, 9, 12, 15)),
    };
}

// Four sums of 64 bits, or eight of 32, which 32768 pixels do not fill: 255^2 * 32768 < 2^31.
struct Totals {
    __m256i blue, green, red, chroma, red_green, blue_green;
};

// One half of the pixels as 16 bits: adds the squared differences.
void add_half(__m256i b, __m256i g, __m256i r, Totals& totals) {
    const __m256i rg = _mm256_sub_epi16(r, g), bg = _mm256_sub_epi16(b, g);
    totals.red_green = _mm256_add_epi32(totals.red_green, _mm256_madd_epi16(rg, rg));
    totals.blue_green = _mm256_add_epi32(totals.blue_green, _mm256_madd_epi16(bg, bg));
}

__m256i luma_of(__m256i b, __m256i g, __m256i r) {
    const __m256i red = _mm256_mullo_epi16(r, _mm256_set1_epi16(77));
    const __m256i green = _mm256_mullo_epi16(g, _mm256_set1_epi16(150));
    const __m256i blue = _mm256_mullo_epi16(b, _mm256_set1_epi16(29));
    return _mm256_srli_epi16(_mm256_add_epi16(_mm256_add_epi16(red, green), blue), 8);
}

template <bool kAdd>
__attribute__((always_inline)) inline void take_pixels(const std::uint8_t* bgr, std::uint8_t* luma, Totals& totals) {
    const __m256i zero = _mm256_setzero_si256();
    const Colours c = split(bgr);
    const auto add = [&](__m256i& total, __m256i bytes) {
        total = _mm256_add_epi64(total, _mm256_sad_epu8(bytes, zero));
    };
    const auto half = [&](auto unpack) {
        const __m256i b = unpack(c.blue), g = unpack(c.green), r = unpack(c.red);
        if (kAdd) add_half(b, g, r, totals);
        return luma_of(b, g, r);
    };
    if (kAdd) {
        add(totals.blue, c.blue);
        add(totals.green, c.green);
        add(totals.red, c.red);
        const __m256i most = _mm256_max_epu8(_mm256_max_epu8(c.blue, c.green), c.red);
        const __m256i least = _mm256_min_epu8(_mm256_min_epu8(c.blue, c.green), c.red);
        add(totals.chroma, _mm256_sub_epi8(most, least));
    }
    const __m256i low = half([&](__m256i v) { return _mm256_unpacklo_epi8(v, zero); });
    const __m256i high = half([&](__m256i v) { return _mm256_unpackhi_epi8(v, zero); });
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(luma), _mm256_packus_epi16(low, high));
}

// The last pixels are filled up with black ones, which add nothing.
template <bool kAdd>
Totals take_row(const std::uint8_t* bgr, std::size_t width, std::uint8_t* luma) {
    constexpr std::size_t kPixels = 32;
    Totals totals = {};
    std::size_t x = 0;
    for (; x + kPixels <= width; x += kPixels) take_pixels<kAdd>(bgr + 3 * x, luma + x, totals);
    std::uint8_t rest[3 * kPixels] = {};
    memcpy(rest, bgr + 3 * x, 3 * (width - x));
    take_pixels<kAdd>(rest, luma + x, totals);
    return totals;
}

template <typename Lane>
std::int64_t total(__m256i lanes) {
    Lane values[sizeof lanes / sizeof(Lane)];
    memcpy(values, &lanes, sizeof lanes);
    std::int64_t sum = 0;
    for (const Lane value : values) sum += static_cast<std::int64_t>(value);
    return sum;
}

void split_luma(const std::uint8_t* bgr, std::size_t width, const ImageScratch&,
                std::uint8_t* luma) {
    take_row<false>(bgr, width, luma);
}

void split_colours(const std::uint8_t* bgr, std::size_t width, const ImageScratch&,
                   std::uint8_t* luma, ImageSums& sums) {
    const Totals totals = take_row<true>(bgr, width, luma);
    sums.blue += total<std::int64_t>(totals.blue);
    sums.green += total<std::int64_t>(totals.green);
    sums.red += total<std::int64_t>(totals.red);
    sums.chroma += total<std::int64_t>(totals.chroma);
    sums.red_green_square += total<std::int32_t>(totals.red_green);
    sums.blue_green_square += total<std::int32_t>(totals.blue_green);
}

#else

void split(const std::uint8_t* bgr, std::size_t width, std::uint8_t* __restrict blue,
           std::uint8_t* __restrict green, std::uint8_t* __restrict red,
           std::uint8_t* __restrict luma) {
    for (std::size_t x = 0; x < width; ++x) {
        const unsigned b = bgr[3 * x], g = bgr[3 * x + 1], r = bgr[3 * x + 2];
        blue[x] = static_cast<std::uint8_t>(b);
        green[x] = static_cast<std::uint8_t>(g);
        red[x] = static_cast<std::uint8_t>(r);
        luma[x] =
            static_cast<std::uint8_t>(static_cast<std::uint16_t>(77 * r + 150 * g + 29 * b) >> 8);
    }
}

// The planes are zero beyond the width, so whole lines can be added.
void add_colours(const ImageScratch& scratch, std::size_t padded, ImageSums& sums) {
    const std::uint8_t *blue = scratch.planes[0], *green = scratch.planes[1];
    const std::uint8_t* red = scratch.planes[2];
    sums.blue += sum_bytes(blue, scratch.zeros, padded);
    sums.green += sum_bytes(green, scratch.zeros, padded);
    sums.red += sum_bytes(red, scratch.zeros, padded);
    std::uint32_t chroma = 0;
    for (std::size_t x = 0; x < padded; ++x) {
        const std::uint8_t lo = blue[x] < green[x] ? blue[x] : green[x];
        const std::uint8_t hi = blue[x] < green[x] ? green[x] : blue[x];
        const std::uint8_t least = lo < red[x] ? lo : red[x], most = hi < red[x] ? red[x] : hi;
        chroma += static_cast<std::uint32_t>(__builtin_abs(most - least));
    }
    // 255^2 * 32768 stays below 2^31.
    std::int32_t rg = 0, bg = 0;
    for (std::size_t x = 0; x < padded; ++x) {
        const auto d = static_cast<std::int16_t>(red[x] - green[x]);
        const auto e = static_cast<std::int16_t>(blue[x] - green[x]);
        rg += d * d;
        bg += e * e;
    }
    sums.chroma += chroma;
    sums.red_green_square += rg;
    sums.blue_green_square += bg;
}

void split_luma(const std::uint8_t* bgr, std::size_t width, const ImageScratch& scratch,
                std::uint8_t* luma) {
    split(bgr, width, scratch.planes[0], scratch.planes[1], scratch.planes[2], luma);
}

void split_colours(const std::uint8_t* bgr, std::size_t width, const ImageScratch& scratch,
                   std::uint8_t* luma, ImageSums& sums) {
    split_luma(bgr, width, scratch, luma);
    add_colours(scratch, (width + kLine - 1) & ~(kLine - 1), sums);
}

#endif

}  // namespace

void fetch_row(const Image& image, std::size_t y) {
    const std::uint8_t* row = image.pixels + static_cast<std::ptrdiff_t>(y) * image.row_stride;
    const auto end = static_cast<std::ptrdiff_t>(image.width) * image.column_stride;
    for (std::ptrdiff_t i = 0; i < end; i += kLine) __builtin_prefetch(row + i, 0, 2);
}

std::int64_t sum_bytes(const std::uint8_t* a, const std::uint8_t* b, std::size_t n) {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < n; ++i)
        sum += static_cast<std::uint32_t>(__builtin_abs(a[i] - b[i]));
    return sum;
}

const std::uint8_t* raw_row(const Image& image, std::size_t y, const ImageScratch& scratch) {
    const auto channels = static_cast<std::ptrdiff_t>(image.channels);
    const std::uint8_t* pixel = image.pixels + static_cast<std::ptrdiff_t>(y) * image.row_stride;
    const bool packed =
        image.column_stride == channels && (channels == 1 || image.channel_stride == 1);
    if (packed) return pixel;
    std::uint8_t* copy = scratch.interleaved[y % 2];
    for (std::size_t x = 0; x < image.width; ++x, pixel += image.column_stride) {
        for (std::ptrdiff_t c = 0; c < channels; ++c) *copy++ = pixel[c * image.channel_stride];
    }
    return scratch.interleaved[y % 2];
}

void load_luma(const std::uint8_t* raw, const Image& image, const ImageScratch& scratch,
               std::uint8_t* luma) {
    if (image.channels == 1) {
        memcpy(luma, raw, image.width);
        return;
    }
    split_luma(raw, image.width, scratch, luma);
}

void load_colours(const std::uint8_t* raw, const Image& image, const ImageScratch& scratch,
                  std::uint8_t* luma, ImageSums& sums) {
    if (image.channels == 1) {
        memcpy(luma, raw, image.width);
        return;
    }
    split_colours(raw, image.width, scratch, luma, sums);
}

}  // namespace eg::simd::EG_LEVEL
