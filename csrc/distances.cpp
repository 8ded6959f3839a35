// Mahalanobis distance: validation, projections, dispatch to the SIMD level.
#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "kernels.hpp"
#include "simd.hpp"

namespace eg {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

double dot(const double* a, const double* b, std::size_t n) {
    double sum = 0;
    for (std::size_t i = 0; i < n; ++i) sum += a[i] * b[i];
    return sum;
}

void require(bool condition, const char* problem) {
    if (!condition) throw std::invalid_argument(problem);
}

void require_finite(const std::vector<float>& values, const char* problem) {
    for (const float v : values) require(std::isfinite(v), problem);
}

}  // namespace

Gaussian::Gaussian(const Matrix& means, const Matrix& basis, std::vector<float> gain, double perp)
    : rank_(basis.rows),
      n_means_(means.rows),
      bands_((basis.rows + means.rows + kBandRows - 1) / kBandRows),
      lines_((means.columns + kLineValues - 1) / kLineValues),
      perp_(perp),
      gain_(std::move(gain)) {
    const std::size_t dim = means.columns;
    require(n_means_ > 0 && dim > 0, "means: expected at least one row and one column");
    require(rank_ == 0 || basis.columns == dim, "basis: expected as many columns as means");
    require(gain_.size() == rank_, "gain: expected one value for each row of basis");
    require(std::isfinite(perp) && perp >= 0, "perp: expected a finite value of at least 0");
    require_finite(means.values, "means: expected finite values");
    require_finite(basis.values, "basis: expected finite values");
    require_finite(gain_, "gain: expected finite values");
    for (const float g : gain_) require(g >= 0, "gain: expected values of at least 0");

    rows_ = Pages<float>(bands_ * kBandRows * lines_ * kLineValues);
    std::fill_n(rows_.data(), bands_ * kBandRows * lines_ * kLineValues, 0.0f);
    append(basis, 0);
    append(means, rank_);
    center_.assign(dim, 0.0);
    for (std::size_t i = 0; i < means.values.size(); ++i) center_[i % dim] += means.values[i];
    for (double& c : center_) c /= static_cast<double>(n_means_);
    offsets_.resize(n_means_ * rank_);
    norms_.resize(n_means_);
    std::vector<double> offset(lines_ * kLineValues), projected(bands_ * kBandRows);
    for (std::size_t m = 0; m < n_means_; ++m) {
        for (std::size_t i = 0; i < dim; ++i) offset[i] = means.values[m * dim + i] - center_[i];
        simd::active().project(rows_.data(), bands_, lines_, offset.data(), projected.data());
        std::copy_n(projected.data(), rank_, offsets_.data() + m * rank_);
        norms_[m] = dot(offset.data(), offset.data(), dim);
    }
}

// Puts rows behind the first ones.
void Gaussian::append(const Matrix& rows, std::size_t first) {
    for (std::size_t i = 0; i < rows.values.size(); ++i) {
        const std::size_t r = first + i / rows.columns, c = i % rows.columns;
        const std::size_t line = r / kBandRows * lines_ + c / kLineValues;
        rows_.data()[(line * kBandRows + r % kBandRows) * kLineValues + c % kLineValues] =
            rows.values[i];
    }
}

Match Gaussian::distance(const float* x, double* scratch) const {
    double *centred = scratch, *projected = centred + lines_ * kLineValues;
    const double* on_means = projected + rank_;
    for (std::size_t i = 0; i < dim(); ++i) centred[i] = x[i] - center_[i];
    std::fill(centred + dim(), projected, 0.0);
    simd::active().project(rows_.data(), bands_, lines_, centred, projected);
    const double norm = dot(centred, centred, dim());
    double on_center = 0;
    for (std::size_t m = 0; m < n_means_; ++m)
        on_center += on_means[m] / static_cast<double>(n_means_);

    Match best = {kNaN, -1};
    for (std::size_t m = 0; m < n_means_; ++m) {
        double inside = 0, weighted = 0;
        for (std::size_t r = 0; r < rank_; ++r) {
            const double c = projected[r] - offsets_[m * rank_ + r];
            inside += c * c;
            weighted += gain_[r] * c * c;
        }
        const double outside = norm - 2 * (on_means[m] - on_center) + norms_[m] - inside;
        const double distance = weighted + perp_ * (outside < 0 ? 0 : outside);
        if (best.row < 0 ? std::isfinite(distance) : distance < best.distance) {
            best = {distance, static_cast<std::int32_t>(m)};
        }
    }
    return best;
}

}  // namespace eg
