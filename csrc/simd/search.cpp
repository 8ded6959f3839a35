// The loops of the nearest-neighbour search (bank.hpp) of many vectors: integer products of whole
// panels of rows, and which estimates are small enough to look at.
//
// The products are exact in 32 bits, so every level finds the same estimates up to the rounding
// of three float operations, for which the proof in bank.hpp allows.
#include "level.hpp"
#include "products.hpp"

namespace eg::simd::EG_LEVEL {
namespace {

template <std::size_t N>
void estimate_block(const PackedRows& bank, std::size_t first, std::size_t n, const QueryBlock& block,
                    float* estimates, std::size_t stride, float* least) {
    float lanes[N][kLaneRows];
    for (auto& query : lanes) {
        for (float& lane : query) lane = __builtin_inff();
    }
    for (std::size_t p = 0; p < n; ++p) {
        Products products[N];
        const std::size_t row = (first + p) * kLaneRows;
        multiply_panel<N>(bank.values + row * 4 * block.quads, block, products);
        const float *squares = bank.squares + row, *scales = bank.scales + row;
        for (std::size_t i = 0; i < N; ++i) {
            const std::int32_t bias = planes::kBias * block.biases[i];
            const float factor = block.factors[i];
            float* out = estimates + i * stride + p * kLaneRows;
#pragma omp simd
            for (std::size_t r = 0; r < kLaneRows; ++r) {
                const auto product = static_cast<float>(products[i][r] - bias);
                const float value = squares[r] + factor * scales[r] * product;
                out[r] = value;
                lanes[i][r] = value < lanes[i][r] ? value : lanes[i][r];
            }
        }
    }
    for (std::size_t i = 0; i < N; ++i) {
        least[i] = __builtin_inff();
        for (const float lane : lanes[i]) least[i] = lane < least[i] ? lane : least[i];
    }
}

// Bit i: values[i] <= limit, of kLaneRows values.
std::uint32_t which_at_most(const float* values, float limit) {
    std::uint32_t set = 0;
#if defined(__AVX__) && !defined(EG_SCALAR)
    const __m256 most = _mm256_set1_ps(limit);
    for (unsigned i = 0; i < kLaneRows; i += 8) {
        const __m256 below = _mm256_cmp_ps(_mm256_loadu_ps(values + i), most, _CMP_LE_OQ);
        set |= static_cast<std::uint32_t>(_mm256_movemask_ps(below)) << i;
    }
#elif defined(__SSE2__) && !defined(EG_SCALAR)
    const __m128 most = _mm_set1_ps(limit);
    for (unsigned i = 0; i < kLaneRows; i += 4) {
        const __m128 below = _mm_cmple_ps(_mm_loadu_ps(values + i), most);
        set |= static_cast<std::uint32_t>(_mm_movemask_ps(below)) << i;
    }
#else
    int any = 0;
#pragma omp simd reduction(| : any)
    for (std::size_t i = 0; i < kLaneRows; ++i) any |= values[i] <= limit;
    if (any == 0) return 0;
    for (unsigned i = 0; i < kLaneRows; ++i) set |= (values[i] <= limit ? 1U : 0U) << i;
#endif
    return set;
}

}  // namespace

void pack_queries(const std::int16_t* integers, std::size_t dim, const QueryBlock& block) {
    const std::size_t n = block.n;
    __builtin_memset(block.values, 0, kValueBytes * 4 * block.quads * n);
    for (std::size_t i = 0; i < n; ++i) {
        std::int32_t sum = 0;
        for (std::size_t c = 0; c < dim; ++c) {
            const std::int16_t value = integers[i * dim + c];
            pack_value(block, c / 4 * n + i, c % 4, value);
            sum += value;
        }
        block.biases[i] = 128 * sum;
    }
}

void estimate(const PackedRows& bank, std::size_t first, std::size_t n, const QueryBlock& block,
              float* estimates, std::size_t stride, float* least) {
    switch (block.n) {
        case kBlock:
            return estimate_block<kBlock>(bank, first, n, block, estimates, stride, least);
        case 4:
            return estimate_block<4>(bank, first, n, block, estimates, stride, least);
        default:
            return estimate_block<1>(bank, first, n, block, estimates, stride, least);
    }
}

int narrow_limit() { return planes::kLimit; }

std::size_t at_most(const float* values, std::size_t n, float limit, std::uint32_t* found) {
    std::size_t count = 0;
    for (std::size_t start = 0; start < n; start += kLaneRows) {
        for (std::uint32_t set = which_at_most(values + start, limit); set != 0; set &= set - 1)
            found[count++] = static_cast<std::uint32_t>(start) +
                             static_cast<std::uint32_t>(__builtin_ctz(set));
    }
    return count;
}

}  // namespace eg::simd::EG_LEVEL
