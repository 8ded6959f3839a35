// Small matrix products for the feature-map guard: a few rows times sixteen columns at a time, in
// registers. The right-hand side comes in panels of sixteen columns, one row of a panel after the
// other.
#include "level.hpp"

namespace eg::simd::EG_LEVEL {
namespace {

#if defined(__AVX512F__)
constexpr std::size_t kLanes = 16, kRows = 12;
#elif defined(__AVX__)
constexpr std::size_t kLanes = 8, kRows = 4;
#else
constexpr std::size_t kLanes = 4, kRows = 2;
#endif
constexpr std::size_t kVectors = kPanel / kLanes;
typedef float Vec __attribute__((vector_size(kLanes * sizeof(float))));

struct Rows {
    const float* values;
    std::size_t stride, step;  // from row to row, and from value to value of one row
};

// sums[i] = row i of `a` (n_k values) times one panel.
template <std::size_t N>
void tile(const Rows& a, std::size_t n_k, const float* panel, Vec (*sums)[kVectors]) {
    Vec local[N][kVectors] = {};
    for (std::size_t k = 0; k < n_k; ++k, panel += kPanel) {
        Vec columns[kVectors];
        for (std::size_t v = 0; v < kVectors; ++v)
            __builtin_memcpy(&columns[v], panel + v * kLanes, sizeof columns[v]);
        for (std::size_t i = 0; i < N; ++i) {
            const float x = a.values[i * a.stride + k * a.step];
            for (std::size_t v = 0; v < kVectors; ++v) local[i][v] += x * columns[v];
        }
    }
    for (std::size_t i = 0; i < N; ++i) {
        for (std::size_t v = 0; v < kVectors; ++v) sums[i][v] = local[i][v];
    }
}

template <typename Stored>
void widen_as(const Tensor& tensor, const void* data, float* out) {
    const auto* values = static_cast<const Stored*>(data);
    const auto zero = static_cast<float>(tensor.zero_point);
    const std::size_t n = tensor.height * tensor.width * tensor.channels;
#pragma omp simd
    for (std::size_t i = 0; i < n; ++i) out[i] = static_cast<float>(values[i]) - zero;
}

template <std::size_t N>
void multiply_rows(const Rows& a, const Panels& b, float* out) {
    for (std::size_t p = 0; p < b.n; ++p) {
        Vec sums[N][kVectors];
        tile<N>(a, b.rows, b.values + p * b.rows * kPanel, sums);
        for (std::size_t i = 0; i < N; ++i) {
            __builtin_memcpy(out + (i * b.n + p) * kPanel, sums[i], sizeof sums[i]);
        }
    }
}

}  // namespace

void widen(const Tensor& tensor, const void* data, float* out) {
    switch (tensor.dtype) {
        case Dtype::float32:
            return widen_as<float>(tensor, data, out);
        case Dtype::int8:
            return widen_as<std::int8_t>(tensor, data, out);
        case Dtype::uint8:
            return widen_as<std::uint8_t>(tensor, data, out);
    }
}

void multiply(const float* rows, std::size_t n, std::size_t stride, std::size_t step,
              const Panels& panels, float* out) {
    std::size_t i = 0;
    const std::size_t columns = panels.n * kPanel;
    for (; i + kRows <= n; i += kRows) {
        multiply_rows<kRows>({rows + i * stride, stride, step}, panels, out + i * columns);
    }
    for (; i < n; ++i)
        multiply_rows<1>({rows + i * stride, stride, step}, panels, out + i * columns);
}

void average(const float* in, std::size_t height, std::size_t width, std::size_t dim, float* out) {
    for (std::size_t y = 0; y < height; ++y) {
        const std::size_t top = y == 0 ? 0 : y - 1, bottom = y + 2 < height ? y + 2 : height;
        for (std::size_t x = 0; x < width; ++x, out += dim) {
            const std::size_t left = x == 0 ? 0 : x - 1, right = x + 2 < width ? x + 2 : width;
            for (std::size_t i = 0; i < dim; ++i) out[i] = 0;
            for (std::size_t v = top; v < bottom; ++v) {
                for (std::size_t u = left; u < right; ++u) {
                    const float* row = in + (v * width + u) * dim;
#pragma omp simd
                    for (std::size_t i = 0; i < dim; ++i) out[i] += row[i];
                }
            }
            const float share = 1.0f / static_cast<float>((bottom - top) * (right - left));
#pragma omp simd
            for (std::size_t i = 0; i < dim; ++i) out[i] *= share;
        }
    }
}

}  // namespace eg::simd::EG_LEVEL
