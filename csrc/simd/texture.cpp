// Local binary patterns, 2x2 blocks of luma rows.
//
// The loops run over whole lines of 64 pixels, so that none has a remainder: rows are readable
// beyond their width, and what was computed there is overwritten before it is summed.
#include <string.h>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "level.hpp"

namespace eg::simd::EG_LEVEL {
namespace {

constexpr std::size_t kLine = 64;
constexpr std::uint8_t kNoLabel = 255;

std::size_t padded(std::size_t width) { return (width + kLine - 1) & ~(kLine - 1); }

// Rotation-invariant uniform pattern of 8 neighbours: the number of neighbours that are not darker
// than the centre if they form at most one arc, else 9.
void label(const std::uint8_t* above, const std::uint8_t* row, const std::uint8_t* below,
           std::size_t n, std::uint8_t* __restrict labels) {
    n &= ~(kLine - 1);
    // Pixel x - 1 of a row: an index of std::size_t must not wrap below zero.
    const std::uint8_t *above_left = above - 1, *left = row - 1, *below_left = below - 1;
    for (std::size_t x = 0; x < n; ++x) {
        const std::uint8_t c = row[x];
        const std::uint8_t b0 = above_left[x] >= c, b1 = above[x] >= c, b2 = above[x + 1] >= c;
        const std::uint8_t b3 = row[x + 1] >= c, b4 = below[x + 1] >= c, b5 = below[x] >= c;
        const std::uint8_t b6 = below_left[x] >= c, b7 = left[x] >= c;
        const auto ones = static_cast<std::uint8_t>(b0 + b1 + b2 + b3 + b4 + b5 + b6 + b7);
        const auto steps = static_cast<std::uint8_t>((b0 ^ b1) + (b1 ^ b2) + (b2 ^ b3) + (b3 ^ b4) +
                                                     (b4 ^ b5) + (b5 ^ b6) + (b6 ^ b7) + (b7 ^ b0));
        labels[x] = steps <= 2 ? ones : static_cast<std::uint8_t>(9);
    }
}

#if defined(__AVX2__)
constexpr std::size_t kVector = 32;
#else
constexpr std::size_t kVector = 16;
#endif
typedef std::uint8_t Bytes __attribute__((vector_size(kVector)));

std::int64_t sum_of(Bytes bytes) {
#if defined(__AVX2__)
    const __m256i sums =
        _mm256_sad_epu8(reinterpret_cast<__m256i>(bytes), _mm256_setzero_si256());
    return _mm256_extract_epi64(sums, 0) + _mm256_extract_epi64(sums, 1) +
           _mm256_extract_epi64(sums, 2) + _mm256_extract_epi64(sums, 3);
#else
    std::int64_t sum = 0;
    for (std::size_t j = 0; j < kVector; ++j) sum += bytes[j];
    return sum;
#endif
}

// Counters of one byte a lane, which the auto-vectoriser would widen to 32 bits.
void count(const std::uint8_t* labels, std::size_t n, std::int64_t* bins) {
    constexpr std::size_t kMost = 255 * kVector;
    for (std::size_t start = 0; start < n; start += kMost) {
        const std::size_t end = n - start < kMost ? n : start + kMost;
        for (std::uint8_t k = 0; k < kLbpBins; ++k) {
            Bytes counter = {};
            for (std::size_t x = start; x < end; x += kVector) {
                Bytes line;
                memcpy(&line, labels + x, sizeof line);
                counter -= reinterpret_cast<Bytes>(line == k);
            }
            bins[k] += sum_of(counter);
        }
    }
}

}  // namespace

void add_patterns(const std::uint8_t* above, const std::uint8_t* row, const std::uint8_t* below,
                  std::size_t width, const ImageScratch& scratch, std::int64_t* bins) {
    const std::size_t n = padded(width);
    label(above, row, below, n, scratch.labels);
    scratch.labels[0] = kNoLabel;
    memset(scratch.labels + width - 1, kNoLabel, n - width + 1);
    count(scratch.labels, n, bins);
}

#if defined(__AVX2__)

namespace {

__m256i load(const std::uint8_t* from) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
}

}  // namespace

void add_diagonals(const std::uint8_t* above, const std::uint8_t* below, std::size_t width,
                   const ImageScratch& scratch, std::uint32_t* counts) {
    std::int16_t* values = scratch.differences[0];
    const __m256i signs = _mm256_set1_epi16(static_cast<std::int16_t>(0xff01));
    const std::size_t half = width / 2;
    for (std::size_t x = 0; x < half; x += 16) {
        const __m256i upper = _mm256_maddubs_epi16(load(above + 2 * x), signs);
        const __m256i lower = _mm256_maddubs_epi16(load(below + 2 * x), signs);
        const __m256i absolute = _mm256_abs_epi16(_mm256_sub_epi16(upper, lower));
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(values + x), absolute);
    }
    for (std::size_t x = 0; x < half; ++x) ++counts[values[x]];
}

void halve(const std::uint8_t* above, const std::uint8_t* below, std::size_t width,
           std::uint8_t* out) {
    const __m256i ones = _mm256_set1_epi8(1), two = _mm256_set1_epi16(2);
    const auto means = [&](std::size_t x) {
        const __m256i upper = _mm256_maddubs_epi16(load(above + x), ones);
        const __m256i lower = _mm256_maddubs_epi16(load(below + x), ones);
        return _mm256_srli_epi16(_mm256_add_epi16(_mm256_add_epi16(upper, lower), two), 2);
    };
    const std::size_t half = width / 2, n = padded(half);
    for (std::size_t x = 0; x < n; x += 32) {
        const __m256i packed = _mm256_packus_epi16(means(2 * x), means(2 * x + 32));
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + x),
                            _mm256_permute4x64_epi64(packed, 0xd8));
    }
    memset(out + half, 0, n - half);
}

#else

void add_diagonals(const std::uint8_t* above, const std::uint8_t* below, std::size_t width,
                   const ImageScratch& scratch, std::uint32_t* counts) {
    std::int16_t* __restrict values = scratch.differences[0];
    const std::size_t half = width / 2, n = padded(half);
    for (std::size_t x = 0; x < n; ++x) {
        const int d = above[2 * x] - above[2 * x + 1] - below[2 * x] + below[2 * x + 1];
        values[x] = static_cast<std::int16_t>(d < 0 ? -d : d);
    }
    for (std::size_t x = 0; x < half; ++x) ++counts[values[x]];
}

void halve(const std::uint8_t* above, const std::uint8_t* below, std::size_t width,
           std::uint8_t* __restrict out) {
    const std::size_t half = width / 2, n = padded(half);
    for (std::size_t x = 0; x < n; ++x) {
        const int sum = above[2 * x] + above[2 * x + 1] + below[2 * x] + below[2 * x + 1];
        out[x] = static_cast<std::uint8_t>((sum + 2) >> 2);
    }
    memset(out + half, 0, n - half);
}

#endif

}  // namespace eg::simd::EG_LEVEL
