// One image row: made contiguous, hashed, split into planes, turned into luma.
#include <string.h>

#include "level.hpp"

namespace eg::simd::EG_LEVEL {
namespace {

constexpr std::size_t kLine = 64;

__extension__ typedef unsigned __int128 Wide;

std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
    const Wide product = static_cast<Wide>(a) * b;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

std::uint64_t word(const std::uint8_t* bytes) {
    std::uint64_t value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

// Multiply-mix of 16 bytes a step in two independent lanes (the scheme of wyhash, Wang Yi 2019).
std::uint64_t hash_bytes(const std::uint8_t* bytes, std::size_t n, std::uint64_t seed) {
    constexpr std::uint64_t k0 = 0xa0761d6478bd642fULL, k1 = 0xe7037ed1a0b428dbULL;
    constexpr std::uint64_t k2 = 0x8ebc6af09c88c6e3ULL, k3 = 0x589965cc75374cc3ULL;
    std::uint64_t first = seed ^ k0, second = seed ^ k2 ^ n;
    for (; n >= 32; n -= 32, bytes += 32) {
        first = mix(word(bytes) ^ k0, word(bytes + 8) ^ first);
        second = mix(word(bytes + 16) ^ k2, word(bytes + 24) ^ second);
    }
    std::uint8_t rest[32] = {};
    memcpy(rest, bytes, n);
    first = mix(word(rest) ^ k1, word(rest + 8) ^ first);
    second = mix(word(rest + 16) ^ k3, word(rest + 24) ^ second);
    return mix(first ^ k1, second ^ k3);
}

const std::uint8_t* contiguous_row(const Image& image, std::size_t y, std::uint8_t* copy) {
    const auto channels = static_cast<std::ptrdiff_t>(image.channels);
    const std::uint8_t* pixel = image.pixels + static_cast<std::ptrdiff_t>(y) * image.row_stride;
    const bool packed =
        image.column_stride == channels && (channels == 1 || image.channel_stride == 1);
    if (packed) return pixel;
    for (std::size_t x = 0; x < image.width; ++x, pixel += image.column_stride) {
        for (std::ptrdiff_t c = 0; c < channels; ++c) *copy++ = pixel[c * image.channel_stride];
    }
    return copy - image.width * image.channels;
}

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

}  // namespace

std::int64_t sum_bytes(const std::uint8_t* bytes, const std::uint8_t* zeros, std::size_t n) {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < n; ++i) {
        sum += static_cast<std::uint32_t>(__builtin_abs(bytes[i] - zeros[i]));
    }
    return sum;
}

void load_row(const Image& image, std::size_t y, const ImageScratch& scratch, std::uint8_t* luma,
              ImageSums& sums) {
    const std::uint8_t* row = contiguous_row(image, y, scratch.interleaved);
    sums.hash = hash_bytes(row, image.width * image.channels, sums.hash);
    if (image.channels == 1) {
        memcpy(luma, row, image.width);
        return;
    }
    split(row, image.width, scratch.planes[0], scratch.planes[1], scratch.planes[2], luma);
    add_colours(scratch, (image.width + kLine - 1) & ~(kLine - 1), sums);
}

}  // namespace eg::simd::EG_LEVEL
