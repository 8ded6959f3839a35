// Gradients and Laplacian of luma rows.
//
// Without AVX2 the loops run over whole lines of 64 pixels, so that none has a remainder: rows are
// readable beyond their width, and what was computed there is overwritten before it is summed.
#include <string.h>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "level.hpp"

namespace eg::simd::EG_LEVEL {
namespace {

constexpr int kEdge = 32;  // grey levels

}  // namespace

#if defined(__AVX2__)

namespace {

constexpr std::size_t kLanes = 16;          // pixels as 16 bits
constexpr std::size_t kLaplacians = 8192;  // pixels whose squared Laplacians fit: 512 * 2 * 1020^2

__m256i widened(const std::uint8_t* from) {
    return _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
}

// All ones in the lanes i with first <= i < end.
__m256i lanes_between(std::size_t first, std::size_t end) {
    const __m256i lane = _mm256_setr_epi16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m256i before = _mm256_set1_epi16(static_cast<std::int16_t>(first));
    const __m256i after = _mm256_set1_epi16(static_cast<std::int16_t>(end < kLanes ? end : kLanes));
    return _mm256_andnot_si256(_mm256_cmpgt_epi16(before, lane), _mm256_cmpgt_epi16(after, lane));
}

std::int64_t total(__m256i lanes) {
    std::int32_t values[8];
    memcpy(values, &lanes, sizeof values);
    std::int64_t sum = 0;
    for (const std::int32_t value : values) sum += value;
    return sum;
}

}  // namespace

// A lane adds up at most 2048 times two products of 255^2, below 2^31.
void add_gradients(const std::uint8_t* above, const std::uint8_t* below, std::size_t width,
                   const ImageScratch&, ScaleSums& sums) {
    const __m256i ones = _mm256_set1_epi16(1), edge = _mm256_set1_epi16(kEdge - 1);
    __m256i abs_x = {}, abs_y = {}, xx = {}, yy = {}, xy = {}, edges = {};
    const auto add = [](__m256i& sum, __m256i a, __m256i b) {
        sum = _mm256_add_epi32(sum, _mm256_madd_epi16(a, b));
    };
    const std::size_t end = width - 1;
    for (std::size_t x = 0; x < end; x += kLanes) {
        const __m256i here = widened(above + x);
        __m256i gx = _mm256_sub_epi16(widened(above + x + 1), here);
        __m256i gy = _mm256_sub_epi16(widened(below + x), here);
        if (x + kLanes > end) {
            const __m256i inside = lanes_between(0, end - x);
            gx = _mm256_and_si256(gx, inside);
            gy = _mm256_and_si256(gy, inside);
        }
        const __m256i ax = _mm256_abs_epi16(gx), ay = _mm256_abs_epi16(gy);
        add(abs_x, ax, ones);
        add(abs_y, ay, ones);
        add(xx, gx, gx);
        add(yy, gy, gy);
        add(xy, gx, gy);
        edges = _mm256_sub_epi16(edges, _mm256_cmpgt_epi16(_mm256_add_epi16(ax, ay), edge));
    }
    sums.abs_x += total(abs_x);
    sums.abs_y += total(abs_y);
    sums.xx += total(xx);
    sums.yy += total(yy);
    sums.xy += total(xy);
    sums.edges += total(_mm256_madd_epi16(edges, ones));
}

void add_laplacian(const std::uint8_t* above, const std::uint8_t* row, const std::uint8_t* below,
                   std::size_t width, const ImageScratch&, ScaleSums& sums) {
    if (width < 3) return;
    const __m256i ones = _mm256_set1_epi16(1);
    const std::uint8_t *left = row - 1, *right = row + 1;
    const std::size_t end = width - 1;
    for (std::size_t start = 0; start < end; start += kLaplacians) {
        __m256i sum = {}, square = {};
        for (std::size_t x = start; x < end && x < start + kLaplacians; x += kLanes) {
            const __m256i across = _mm256_add_epi16(widened(left + x), widened(right + x));
            const __m256i down = _mm256_add_epi16(widened(above + x), widened(below + x));
            const __m256i middle = _mm256_slli_epi16(widened(row + x), 2);
            __m256i value = _mm256_sub_epi16(middle, _mm256_add_epi16(across, down));
            if (x == 0 || x + kLanes > end) {
                value = _mm256_and_si256(value, lanes_between(x == 0 ? 1 : 0, end - x));
            }
            sum = _mm256_add_epi32(sum, _mm256_madd_epi16(value, ones));
            square = _mm256_add_epi32(square, _mm256_madd_epi16(value, value));
        }
        sums.laplacian += total(sum);
        sums.laplacian_square += total(square);
    }
}

#else

namespace {

constexpr std::size_t kLine = 64;
constexpr std::size_t kChunk = 1024;  // pixels whose squared Laplacians (1020^2) fit an int32

std::size_t padded(std::size_t width) { return (width + kLine - 1) & ~(kLine - 1); }

void add_products(const std::int16_t* gx, const std::int16_t* gy, std::size_t n, ScaleSums& sums) {
    n &= ~(kLine - 1);
    std::int32_t xx = 0, yy = 0, xy = 0;
    for (std::size_t x = 0; x < n; ++x) {
        xx += gx[x] * gx[x];
        yy += gy[x] * gy[x];
        xy += gx[x] * gy[x];
    }
    std::int16_t edges = 0;  // at most kChunk
    for (std::size_t x = 0; x < n; ++x) {
        const auto ax = static_cast<std::int16_t>(gx[x] < 0 ? -gx[x] : gx[x]);
        const auto ay = static_cast<std::int16_t>(gy[x] < 0 ? -gy[x] : gy[x]);
        edges = static_cast<std::int16_t>(edges + (static_cast<std::int16_t>(ax + ay) >= kEdge));
    }
    sums.xx += xx;
    sums.yy += yy;
    sums.xy += xy;
    sums.edges += edges;
}

}  // namespace

void add_gradients(const std::uint8_t* above, const std::uint8_t* below, std::size_t width,
                   const ImageScratch& scratch, ScaleSums& sums) {
    std::int16_t* __restrict gx = scratch.differences[0], * __restrict gy = scratch.differences[1];
    const std::size_t n = padded(width);
    for (std::size_t x = 0; x < n; ++x) {
        gx[x] = static_cast<std::int16_t>(above[x + 1] - above[x]);
        gy[x] = static_cast<std::int16_t>(below[x] - above[x]);
    }
    for (std::size_t x = width - 1; x < n; ++x) gx[x] = gy[x] = 0;
    // Rows are zero beyond their width, and the last pixel has no difference along the row.
    sums.abs_x += sum_bytes(above + 1, above, n) - above[width - 1];
    sums.abs_y += sum_bytes(below, above, n) - __builtin_abs(below[width - 1] - above[width - 1]);
    for (std::size_t x = 0; x < n; x += kChunk) {
        add_products(gx + x, gy + x, n - x < kChunk ? n - x : kChunk, sums);
    }
}

void add_laplacian(const std::uint8_t* above, const std::uint8_t* row, const std::uint8_t* below,
                   std::size_t width, const ImageScratch& scratch, ScaleSums& sums) {
    if (width < 3) return;
    std::int16_t* __restrict values = scratch.differences[0];
    const std::uint8_t *left = row - 1, *right = row + 1;
    const std::size_t n = padded(width);
    for (std::size_t x = 0; x < n; ++x) {
        values[x] =
            static_cast<std::int16_t>(4 * row[x] - above[x] - below[x] - left[x] - right[x]);
    }
    values[0] = 0;
    for (std::size_t x = width - 1; x < n; ++x) values[x] = 0;
    for (std::size_t start = 0; start < n; start += kChunk) {
        const std::size_t size = (n - start < kChunk ? n - start : kChunk) & ~(kLine - 1);
        const std::int16_t* chunk = values + start;
        std::int32_t sum = 0, square = 0;
        for (std::size_t x = 0; x < size; ++x) {
            sum += chunk[x];
            square += chunk[x] * chunk[x];
        }
        sums.laplacian += sum;
        sums.laplacian_square += square;
    }
}

#endif

}  // namespace eg::simd::EG_LEVEL
