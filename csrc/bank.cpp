// Packing rows into bytes or halves of bytes; see bank.hpp.
#include "bank.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <stdexcept>

#include "simd.hpp"

namespace eg {
namespace {

constexpr double kRounding = 1.0 / (1 << 20);  // k
constexpr double kSmallestScale = 1e-30;
constexpr int kZero = 128;        // the byte of q = 0
constexpr int kMost = 119;        // |q|, so that its upper half is at most 7
constexpr int kZeroHalf = 8;      // the half of a = 0, and of l = 0
constexpr int kUpper = 16;        // q = 16 a + l
constexpr std::size_t kMostColumns = std::size_t{1} << 20;

float up(double value) {
    return std::nextafter(static_cast<float>(value), std::numeric_limits<float>::infinity());
}

// a of q = 16 a + l, l of -8 ... 7.
int upper(int q) { return (q + kZero + 8) / kUpper - kZero / kUpper; }

void put_half(std::uint8_t& byte, int half, bool high) {
    byte = static_cast<std::uint8_t>(high ? (byte & 15) | half << 4 : (byte & 240) | half);
}

std::size_t panels_of(std::size_t rows) { return (rows + kLaneRows - 1) / kLaneRows; }

}  // namespace

Bank::Bank(const Matrix& rows, Layout layout)
    : n_rows_(rows.rows),
      n_columns_(rows.columns),
      quads_((rows.columns + 3) / 4),
      layout_(layout) {
    for (const float v : rows.values) {
        if (!std::isfinite(v)) throw std::invalid_argument("bank: expected finite values");
    }
    if (n_rows_ > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max()) - kLaneRows)
        throw std::invalid_argument("bank: too many rows");
    if (columns() > kMostColumns) throw std::invalid_argument("bank: too many columns");
    if (n_rows_ == 0) return;
    if (columns() == 0) throw std::invalid_argument("bank: expected at least one column");
    values_ = Pages<float>(n_rows_ * n_columns_);
    std::copy(rows.values.begin(), rows.values.end(), values_.data());
    set_center();
    set_factors();
    const std::size_t padded = panels_of(n_rows_) * kLaneRows;
    const bool halves = layout == Layout::halves;
    const std::size_t bytes = padded * 4 * (halves ? octets() : quads_);
    packed_ = Pages<std::uint8_t>(bytes);
    std::memset(packed_.data(), halves ? 17 * kZeroHalf : kZero, bytes);
    if (halves) {
        lower_ = Pages<std::uint8_t>(n_rows_ * half_row());
        std::memset(lower_.data(), 17 * kZeroHalf, n_rows_ * half_row());
    }
    squares_.assign(padded, std::numeric_limits<float>::infinity());
    norms_.assign(padded, 0.0f);
    for (Errors* of : {&whole_, &half_}) {
        of->scales.assign(padded, 0.0f);
        of->errors.assign(padded, 0.0f);
    }
    row_.resize(columns());
    for (std::size_t i = 0; i < n_rows_; ++i) pack(i);
    leave_out_repetitions();
}

// The mean row, and the power of two that brings the longest centred row to at most 1.
void Bank::set_center() {
    std::vector<double> sums(columns(), 0.0);
    for (std::size_t i = 0; i < n_rows_ * columns(); ++i) sums[i % columns()] += values_.data()[i];
    for (double& sum : sums) sum = static_cast<float>(sum / static_cast<double>(n_rows_));
    center_ = std::move(sums);
    double longest = 0;
    for (std::size_t i = 0; i < n_rows_; ++i) {
        double square = 0;
        for (std::size_t c = 0; c < columns(); ++c) {
            const double u = row(i)[c] - center_[c];
            square += u * u;
        }
        longest = std::max(longest, std::sqrt(square));
    }
    int exponent = 0;
    if (longest > 0) std::frexp(longest, &exponent);
    scale_ = std::ldexp(1.0, -exponent);
}

// The signs of T are those of a generator of Marsaglia's (2003, Xorshift RNGs).
void Bank::set_factors() {
    std::uint32_t state = 2463534242U;
    factors_.assign(columns(), scale_);
    for (double& factor : factors_) {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        if ((state >> 16 & 1) != 0) factor = -factor;
    }
}

double Bank::turned(const float* x, double* y) const {
    const double square =
        simd::active().centre(x, center_.data(), factors_.data(), columns(), y);
    if (layout_ == Layout::halves) simd::active().turn(y, columns());
    return square;
}

void Bank::pack(std::size_t i) {
    const double norm = std::sqrt(turned(row(i), row_.data()));
    double largest = 0;
    for (const double u : row_) largest = std::max(largest, std::fabs(u));
    const auto rounded = static_cast<float>(largest / kMost);
    const double scale = rounded > kSmallestScale ? rounded : 0.0;
    std::vector<std::int32_t> integers(columns());
    double error = 0, half_error = 0;
    for (std::size_t c = 0; c < columns(); ++c) {
        const double q = scale > 0 ? std::nearbyint(row_[c] / scale) : 0.0;
        integers[c] = static_cast<std::int32_t>(q);
        const double e = row_[c] - scale * q, half_e = row_[c] - scale * kUpper * upper(integers[c]);
        error += e * e;
        half_error += half_e * half_e;
    }
    layout_ == Layout::halves ? pack_halves(i, integers) : pack_bytes(i, integers);
    squares_[i] = static_cast<float>(norm * norm);
    norms_[i] = up(norm * (1 + kRounding));
    largest_norm_ = std::max<double>(largest_norm_, norms_[i]);
    whole_.set(i, scale, norm, std::sqrt(error));
    half_.set(i, kUpper * scale, norm, std::sqrt(half_error));
}

void Bank::Errors::set(std::size_t i, double scale, double norm, double rest) {
    scales[i] = static_cast<float>(scale);
    errors[i] = up((rest + kRounding * (norm + rest)) * (1 + kRounding));
    largest = std::max<double>(largest, errors[i]);
}

void Bank::pack_bytes(std::size_t i, const std::vector<std::int32_t>& integers) {
    std::uint8_t* packed = packed_.data() + i / kLaneRows * kLaneRows * 4 * quads_ +
                           i % kLaneRows * 4;
    for (std::size_t c = 0; c < columns(); ++c)
        packed[c / 4 * 4 * kLaneRows + c % 4] = static_cast<std::uint8_t>(integers[c] + kZero);
}

void Bank::pack_halves(std::size_t i, const std::vector<std::int32_t>& integers) {
    std::uint8_t* panel = packed_.data() + i / kLaneRows * kLaneRows * 4 * octets() +
                          i % kLaneRows * 4;
    std::uint8_t* lower = lower_.data() + i * half_row();
    for (std::size_t c = 0; c < columns(); ++c) {
        const int a = upper(integers[c]), l = integers[c] - kUpper * a;
        put_half(panel[c / 8 * 4 * kLaneRows + c % 4], a + kZeroHalf, c / 4 % 2 != 0);
        put_half(lower[c / 8 * 4 + c % 4], l + kZeroHalf, c / 4 % 2 != 0);
    }
}

// Of equal rows only the first can win; the others would be computed for every x near them.
void Bank::leave_out_repetitions() {
    const auto compare = [this](std::size_t a, std::size_t b) {
        return std::memcmp(row(a), row(b), columns() * sizeof(float));
    };
    std::vector<std::size_t> order(rows());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
        const int sign = compare(a, b);
        return sign != 0 ? sign < 0 : a < b;
    });
    for (std::size_t i = 1; i < order.size(); ++i) {
        if (compare(order[i - 1], order[i]) == 0)
            squares_[order[i]] = std::numeric_limits<float>::infinity();
    }
}

}  // namespace eg
