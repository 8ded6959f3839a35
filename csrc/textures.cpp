// Edges, detail, noise, local patterns.
#include "statistics.hpp"

namespace eg {
namespace {

constexpr double kEps = 0.5;

}  // namespace

void gradients(const simd::ScaleSums& s, double width, Writer& out) {
    const double n = real(s.gradient_rows) * (width - 1);
    const double energy = real(s.xx) + real(s.yy), absolute = real(s.abs_x) + real(s.abs_y);
    out.put(real(s.abs_x) / n);
    out.put(real(s.abs_y) / n);
    out.put(energy / n);
    out.put(std::log((std::sqrt(energy / (2 * n)) + kEps) / (absolute / (2 * n) + kEps)));
    out.put(real(s.edges) / n);
    const double along = energy > 0 ? (real(s.xx) - real(s.yy)) / energy : 0;
    const double across = energy > 0 ? 2 * real(s.xy) / energy : 0;
    out.put(std::hypot(along, across));
    out.put(along);
    out.put(across);
}

void sharpness(const simd::ScaleSums& s, double width, double sd, Writer& out) {
    const double n = real(s.laplacian_rows) * (width - 2);
    const double laplacian_sd = deviation(real(s.laplacian), real(s.laplacian_square), n);
    out.put(laplacian_sd);
    out.put(std::log((laplacian_sd + kEps) / (sd + kEps)));
}

void noise(const simd::ImageSums& sums, Writer& out) {
    std::int64_t count = 0, total = 0;
    for (std::size_t d = 0; d < kDiagonals; ++d) {
        count += sums.diagonals[d];
        total += static_cast<std::int64_t>(d) * sums.diagonals[d];
    }
    std::int64_t below = 0;
    std::size_t d = 0;
    while (2 * (below + sums.diagonals[d]) < count) below += sums.diagonals[d++];
    const double share = (real(count) / 2 - real(below)) / sums.diagonals[d];
    out.put(1.4826 / 2 * (d == 0 ? 0 : real(d) - 1 + share));
    out.put(std::sqrt(std::acos(-1.0) / 2) / 2 * real(total) / real(count));
}

void patterns(const simd::ImageSums& sums, double width, Writer& out) {
    const double n = real(sums.scales[0].laplacian_rows) * (width - 2);
    for (const std::int64_t count : sums.lbp) out.put(real(count) / n);
}

void scales(const simd::ImageSums& sums, std::size_t width, Writer& out) {
    double laplacians[kScales];
    for (std::size_t k = 0; k < kScales; ++k) {
        const simd::ScaleSums& s = sums.scales[k];
        const double w = real(width >> k), rows = real(s.gradient_rows);
        out.put(std::log1p((real(s.xx) + real(s.yy)) / (rows * (w - 1))));
        const double inner = w < 3 ? 0 : real(s.laplacian_rows) * (w - 2);
        laplacians[k] = inner > 0 ? std::log1p(real(s.laplacian_square) / inner) : 0;
    }
    for (const double energy : laplacians) out.put(energy);
}

}  // namespace eg
