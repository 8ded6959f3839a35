// One image row: made contiguous, hashed, split into planes, turned into luma.
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

__extension__ typedef unsigned __int128 Wide;

std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
    const Wide product = static_cast<Wide>(a) * b;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

// Words of 64 bits, as many as a register holds; the product of each one's halves, and each with
// its halves exchanged.
#if defined(EG_SCALAR)
typedef std::uint64_t Words;
Words product(Words v) { return (v & 0xffffffffU) * (v >> 32); }
#elif defined(__AVX2__)
typedef std::uint64_t Words __attribute__((vector_size(32)));
Words product(Words v) {
    return reinterpret_cast<Words>(_mm256_mul_epu32(reinterpret_cast<__m256i>(v),
                                                    reinterpret_cast<__m256i>(v >> 32)));
}
#elif defined(__SSE2__)
typedef std::uint64_t Words __attribute__((vector_size(16)));
Words product(Words v) {
    return reinterpret_cast<Words>(
        _mm_mul_epu32(reinterpret_cast<__m128i>(v), reinterpret_cast<__m128i>(v >> 32)));
}
#elif defined(__ARM_NEON)
typedef uint64x2_t Words;
Words product(Words v) { return vmull_u32(vmovn_u64(v), vshrn_n_u64(v, 32)); }
#else
typedef std::uint64_t Words;
Words product(Words v) { return (v & 0xffffffffU) * (v >> 32); }
#endif

Words exchanged(Words v) { return v << 32 | v >> 32; }

constexpr std::size_t kVectors = kLine / sizeof(Words);

struct Hash {
    Words sums[kVectors], keys[kVectors], steps[kVectors];
};

// 64 bytes; the keys move on, so that the order of lines counts.
void add_line(Hash& hash, const std::uint8_t* line) {
    for (std::size_t i = 0; i < kVectors; ++i) {
        Words value;
        memcpy(&value, line + i * sizeof value, sizeof value);
        hash.sums[i] += product(value ^ hash.keys[i]) + exchanged(value);
        hash.keys[i] += hash.steps[i];
    }
}

// Sums of 32-bit products in eight lanes (the scheme of XXH3, Yann Collet 2019), mixed at the end.
std::uint64_t hash_bytes(const std::uint8_t* bytes, std::size_t n, std::uint64_t seed) {
    static const std::uint64_t kKeys[] = {
        0xa0761d6478bd642fULL, 0xe7037ed1a0b428dbULL, 0x8ebc6af09c88c6e3ULL, 0x589965cc75374cc3ULL,
        0x1d8e4e27c47d124fULL, 0xeb44accab455d165ULL, 0x9e3779b97f4a7c15ULL, 0xc2b2ae3d27d4eb4fULL};
    static const std::uint64_t kSteps[] = {
        0x9e3779b185ebca87ULL, 0xc2b2ae3d27d4eb4fULL, 0x165667b19e3779f9ULL, 0x85ebca77c2b2ae63ULL,
        0x27d4eb2f165667c5ULL, 0xff51afd7ed558ccdULL, 0xc4ceb9fe1a85ec53ULL, 0xd6e8feb86659fd93ULL};
    Hash hash;
    memcpy(hash.sums, kSteps, sizeof hash.sums);
    memcpy(hash.keys, kKeys, sizeof hash.keys);
    memcpy(hash.steps, kSteps, sizeof hash.steps);
    std::uint64_t mixed = seed ^ n;
    for (; n >= kLine; n -= kLine, bytes += kLine) add_line(hash, bytes);
    std::uint8_t rest[kLine] = {};
    memcpy(rest, bytes, n);
    add_line(hash, rest);
    std::uint64_t sums[kLine / sizeof(std::uint64_t)];
    memcpy(sums, hash.sums, sizeof sums);
    for (std::size_t i = 0; i < 8; i += 2) mixed = mix(sums[i] ^ mixed, sums[i + 1] ^ kKeys[i]);
    return mix(mixed, kKeys[7]);
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

// The next row comes from memory while this one is computed.
void fetch_row(const Image& image, std::size_t y) {
    if (y >= image.height) return;
    const std::uint8_t* row = image.pixels + static_cast<std::ptrdiff_t>(y) * image.row_stride;
    const auto end = static_cast<std::ptrdiff_t>(image.width) * image.column_stride;
    for (std::ptrdiff_t i = 0; i < end; i += kLine) __builtin_prefetch(row + i, 0, 2);
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
    fetch_row(image, y + 1);
    sums.hash = hash_bytes(row, image.width * image.channels, sums.hash);
    if (image.channels == 1) {
        memcpy(luma, row, image.width);
        return;
    }
    split(row, image.width, scratch.planes[0], scratch.planes[1], scratch.planes[2], luma);
    add_colours(scratch, (image.width + kLine - 1) & ~(kLine - 1), sums);
}

}  // namespace eg::simd::EG_LEVEL
