// Per-channel moments of a tap: which kernel of the SIMD level reads it.
#include <algorithm>
#include <cmath>

#include "dequantize.hpp"
#include "kernels.hpp"
#include "simd.hpp"

namespace eg {
namespace {

constexpr std::size_t kGrid = 4;

struct Edges {
    std::size_t n;
    std::size_t limits[kGrid + 1];
};

Edges grid_edges(std::size_t side) {
    Edges edges = {std::min(kGrid, side), {}};
    for (std::size_t i = 0; i <= edges.n; ++i) edges.limits[i] = i * side / edges.n;
    return edges;
}

// NaN stays NaN; what rounding pushed below zero is zero.
double root(double variance) { return variance < 0 ? 0 : std::sqrt(variance); }

struct Sums {
    const double *blocks, *squares;
};

// Mean, deviation and deviation of the block means of channel c, in stored units.
void channel_moments(const Tensor& t, const Edges& rows, const Edges& columns, const Sums& sums,
                     std::size_t c, double* mean, double* deviation, double* block_deviation) {
    double total = 0, first = 0, second = 0;
    for (std::size_t by = 0; by < rows.n; ++by) {
        for (std::size_t bx = 0; bx < columns.n; ++bx) {
            const std::size_t area = (rows.limits[by + 1] - rows.limits[by]) *
                                     (columns.limits[bx + 1] - columns.limits[bx]);
            const double sum = sums.blocks[(by * columns.n + bx) * t.channels + c];
            const double block_mean = sum / static_cast<double>(area);
            total += sum;
            first += block_mean;
            second += block_mean * block_mean;
        }
    }
    const auto n = static_cast<double>(t.height * t.width);
    const auto n_blocks = static_cast<double>(rows.n * columns.n);
    *mean = total / n;
    *deviation = root(sums.squares[c] / n - *mean * *mean);
    *block_deviation = root(second / n_blocks - first / n_blocks * (first / n_blocks));
}

}  // namespace

std::size_t pooled_size(const Tensor& t) {
    return t.height * t.width == 1 ? t.channels : 3 * t.channels;
}

std::size_t pooling_scratch_bytes(const Tensor& t) {
    const std::size_t sums = (kGrid * kGrid + 1) * t.channels * sizeof(double);
    return sums + 2 * std::max(t.channels, t.width) * sizeof(double);
}

void pool(const Tensor& t, const void* data, void* scratch, float* out) {
    if (t.height * t.width == 1) return dequantize(t, data, t.channels, out);
    const Edges rows = grid_edges(t.height), columns = grid_edges(t.width);
    auto* blocks = static_cast<double*>(scratch);
    double* squares = blocks + kGrid * kGrid * t.channels;
    simd::active().pool(t, data, rows.limits, rows.n, columns.limits, columns.n, blocks, squares,
                        squares + t.channels);
    for (std::size_t c = 0; c < t.channels; ++c) {
        double mean, deviation, block_deviation;
        channel_moments(t, rows, columns, {blocks, squares}, c, &mean, &deviation,
                        &block_deviation);
        out[c] = static_cast<float>((mean - t.zero_point) * t.scale);
        out[t.channels + c] = static_cast<float>(deviation * t.scale);
        out[2 * t.channels + c] = static_cast<float>(block_deviation * t.scale);
    }
}

}  // namespace eg
