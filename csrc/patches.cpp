// The feature-map guard: validation, packing, and the steps of one frame.
#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <stdexcept>

#include "kernels.hpp"
#include "simd.hpp"

namespace eg {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

void require(bool condition, const char* problem) {
    if (!condition) throw std::invalid_argument(problem);
}

void require_finite(const std::vector<float>& values, const char* problem) {
    for (const float v : values) require(std::isfinite(v), problem);
}

std::size_t padded(std::size_t n) { return (n + kPanel - 1) / kPanel * kPanel; }

// Rows of a matrix as columns of panels, the last one filled up with zeros.
std::vector<float> packed(const Matrix& matrix, double factor) {
    std::vector<float> panels(padded(matrix.rows) * matrix.columns, 0.0f);
    for (std::size_t r = 0; r < matrix.rows; ++r) {
        float* panel = panels.data() + r / kPanel * kPanel * matrix.columns + r % kPanel;
        for (std::size_t c = 0; c < matrix.columns; ++c) {
            panel[c * kPanel] =
                static_cast<float>(matrix.values[r * matrix.columns + c] * factor);
        }
    }
    return panels;
}

}  // namespace

Patches::Patches(std::size_t tap_, Matrix basis_, std::vector<float> offset_, const Matrix& bank_,
                 std::size_t top_, std::vector<float> gain_)
    : tap(tap_),
      basis(std::move(basis_)),
      offset(std::move(offset_)),
      top(top_),
      gain(std::move(gain_)) {
    require(basis.rows > 0, "basis: expected at least one row");
    require(offset.size() == basis.rows, "offset: expected one value for each row of basis");
    require(bank_.rows == 0 || bank_.columns == basis.rows,
            "bank: expected as many columns as basis has rows");
    require(top >= 1, "top: expected at least 1");
    require_finite(basis.values, "basis: expected finite values");
    require_finite(offset, "offset: expected finite values");
    require_finite(gain, "gain: expected finite values");
    for (const float g : gain) require(g >= 0, "gain: expected values of at least 0");
    if (bank_.rows > 0) bank = std::make_shared<const Bank>(bank_, Layout::bytes);
}

PatchMap::PatchMap(const Patches& patches, const Tensor& tensor)
    : patches_(patches), tensor_(tensor), dim_(patches.basis.rows), columns_(padded(dim_)) {
    require(patches.basis.columns == tensor.channels,
            "patches.basis: expected one column for each channel of the tap");
    require(patches.gain.empty() || patches.gain.size() == size(),
            "patches.gain: expected one value for each position of the tap");
    basis_ = packed(patches.basis, tensor.scale);
    const std::size_t n = size();
    widened_.resize(n * tensor.channels);
    projected_.resize(n * columns_);
    descriptors_.resize(n * columns_);
    if (patches.bank) {
        search_ = std::make_unique<Search>(*patches.bank, n);
        matches_.resize(n);
    }
    distances_.assign(n, std::numeric_limits<float>::quiet_NaN());
    ordered_.resize(n);
}

void PatchMap::describe(const void* data) {
    const simd::Table& level = simd::active();
    level.widen(tensor_, data, widened_.data());
    const std::size_t stride = tensor_.channels_last ? tensor_.channels : 1;
    const std::size_t step = tensor_.channels_last ? 1 : size();
    level.multiply(widened_.data(), size(), stride, step,
                   {basis_.data(), tensor_.channels, columns_ / kPanel}, projected_.data());
    level.average(projected_.data(), tensor_.height, tensor_.width, columns_, descriptors_.data());
    for (std::size_t p = 0; p < size(); ++p) {
        for (std::size_t i = 0; i < dim_; ++i)
            descriptors_[p * columns_ + i] -= patches_.offset[i];
    }
}

Match PatchMap::score(const void* data) {
    describe(data);
    search_->run(descriptors_.data(), columns_, matches_.data());
    for (std::size_t p = 0; p < size(); ++p) distances_[p] = distance(p);
    std::copy(distances_.begin(), distances_.end(), ordered_.begin());
    for (const float d : ordered_) {
        if (std::isnan(d)) return {kNaN, -1};
    }
    const std::size_t top = std::min(patches_.top, size());
    std::nth_element(ordered_.begin(), ordered_.begin() + static_cast<std::ptrdiff_t>(top - 1),
                     ordered_.end(), std::greater<float>());
    double sum = 0;
    for (std::size_t i = 0; i < top; ++i) sum += ordered_[i];
    const auto farthest = std::max_element(distances_.begin(), distances_.end());
    return {sum / static_cast<double>(top),
            static_cast<std::int32_t>(farthest - distances_.begin())};
}

float PatchMap::distance(std::size_t position) const {
    const Match& match = matches_[position];
    if (match.row < 0) return std::numeric_limits<float>::quiet_NaN();
    const double gain = patches_.gain.empty() ? 1.0 : patches_.gain[position];
    return static_cast<float>(gain * std::sqrt(match.distance));
}

void PatchMap::copy_descriptors(float* out) const {
    for (std::size_t p = 0; p < size(); ++p)
        std::copy_n(descriptors_.data() + p * columns_, dim_, out + p * dim_);
}

}  // namespace eg
