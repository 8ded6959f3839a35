// Packing rows into bytes, and the search that proves most of them too far; see bank.hpp.
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

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kRounding = 1.0 / (1 << 20);  // k
constexpr double kTiny = 1e-34;
constexpr double kSmallestScale = 1e-30;
constexpr int kZero = 128;        // the byte of q = 0
constexpr int kMost = 127;        // |q|
constexpr int kMostWide = 32639;  // |p| whose high byte is at most 127
constexpr std::size_t kMostColumns = std::size_t{1} << 20;
constexpr std::size_t kCacheBytes = std::size_t{256} << 10;  // of packed rows searched at a time
constexpr std::size_t kMostPanels = 1024, kPanelsOfMany = 64;
constexpr std::size_t kLineFloats = 16;  // of a cache line

float up(double value) {
    return std::nextafter(static_cast<float>(value), std::numeric_limits<float>::infinity());
}

std::size_t panels_of(std::size_t rows) { return (rows + kLaneRows - 1) / kLaneRows; }

}  // namespace

Bank::Bank(const Matrix& rows)
    : n_rows_(rows.rows), n_columns_(rows.columns), quads_((rows.columns + 3) / 4) {
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
    const std::size_t padded = panels_of(n_rows_) * kLaneRows;
    packed_ = Pages<std::uint8_t>(padded * 4 * quads_);
    std::memset(packed_.data(), kZero, padded * 4 * quads_);
    squares_.assign(padded, std::numeric_limits<float>::infinity());
    scales_.assign(padded, 0.0f);
    errors_.assign(padded, 0.0f);
    norms_.assign(padded, 0.0f);
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

void Bank::pack(std::size_t i) {
    double largest = 0;
    for (std::size_t c = 0; c < columns(); ++c)
        largest = std::max(largest, std::fabs((row(i)[c] - center_[c]) * scale_));
    const auto rounded = static_cast<float>(largest / kMost);
    const double scale = rounded > kSmallestScale ? rounded : 0.0;
    std::uint8_t* packed = packed_.data() + i / kLaneRows * kLaneRows * 4 * quads_ +
                           i % kLaneRows * 4;
    double square = 0, error = 0;
    for (std::size_t c = 0; c < columns(); ++c) {
        const double u = (row(i)[c] - center_[c]) * scale_;
        const double q = scale > 0 ? std::nearbyint(u / scale) : 0.0;
        const double e = u - scale * q;
        square += u * u;
        error += e * e;
        packed[c / 4 * 4 * kLaneRows + c % 4] = static_cast<std::uint8_t>(q + kZero);
    }
    const double norm = std::sqrt(square), rest = std::sqrt(error);
    squares_[i] = static_cast<float>(square);
    scales_[i] = static_cast<float>(scale);
    norms_[i] = up(norm * (1 + kRounding));
    errors_[i] = up((rest + kRounding * (norm + rest)) * (1 + kRounding));
    largest_error_ = std::max<double>(largest_error_, errors_[i]);
    largest_norm_ = std::max<double>(largest_norm_, norms_[i]);
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

simd::PackedRows Bank::packed_rows() const {
    return {packed_.data(), squares_.data(), scales_.data()};
}

Search::Search(const Bank& bank, std::size_t n)
    : bank_(&bank), wide_(n == 1), queries_(n), factors_(n), biases_(n), integers_(n * bank.columns()) {
    const std::size_t all = panels_of(bank.rows()), panel_bytes = kLaneRows * 4 * bank.quads_;
    chunk_ = wide_ ? kMostPanels : std::clamp(kCacheBytes / panel_bytes, std::size_t{8}, kPanelsOfMany);
    chunk_ = std::min(chunk_, all);
    values_.resize(n * bank.quads_);
    std::size_t first = 0;
    for (const std::size_t size : {kBlock, std::size_t{4}, std::size_t{1}}) {
        for (; first + size <= n; first += size) {
            blocks_.push_back({values_.data() + first * bank.quads_, factors_.data() + first,
                               biases_.data() + first, size, bank.quads_, wide_});
        }
    }
    estimates_.resize(std::min(n, kBlock) * chunk_ * kLaneRows);
    near_.resize(chunk_ * kLaneRows);
}

void Search::run(const float* x, std::size_t stride, Match* found) {
    prepare(x, stride);
    const std::size_t panels = panels_of(bank_->rows());
    for (std::size_t p = 0; p < panels; p += chunk_)
        search_chunk(p, std::min(chunk_, panels - p));
    for (std::size_t i = 0; i < queries_.size(); ++i) found[i] = queries_[i].best;
}

void Search::prepare(const float* x, std::size_t stride) {
    const simd::Table& level = simd::active();
    const std::size_t dim = bank_->columns();
    const int limit = largest_integer();
    for (std::size_t i = 0; i < queries_.size(); ++i) {
        const simd::QueryNorms norms =
            level.quantize(x + i * stride, bank_->center_.data(), dim, bank_->scale_, limit,
                           integers_.data() + i * dim);
        const double rest = std::sqrt(norms.rest_square) * (1 + kRounding);
        const double norm = std::sqrt(norms.square) * (1 + kRounding);
        factors_[i] = -2 * norms.step;
        queries_[i] = {x + i * stride, norms.square,        2 * (norm + rest), 2 * rest, kInfinity,
                       true,           {kInfinity, -1}};
        if (!(norms.square < kLargestSquare)) {
            std::fill_n(integers_.data() + i * dim, dim, std::int16_t{0});
            compare_all(queries_[i]);
        }
    }
    for (simd::QueryBlock& block : blocks_) {
        const auto first = static_cast<std::size_t>(block.factors - factors_.data());
        level.pack_queries(integers_.data() + first * dim, dim, block);
    }
}

// So that p.(q + 128) stays below 2^31.
int Search::largest_integer() const {
    const std::size_t most = 0x7fffffff / (255 * 4 * bank_->quads_);
    const int kind = wide_ ? kMostWide : simd::active().narrow_limit();
    return static_cast<int>(std::min(most, static_cast<std::size_t>(kind)));
}

void Search::search_chunk(std::size_t first_panel, std::size_t panels) {
    float least[kBlock];
    const std::size_t stride = chunk_ * kLaneRows, n = panels * kLaneRows;
    for (const simd::QueryBlock& block : blocks_) {
        simd::active().estimate(bank_->packed_rows(), first_panel, panels, block,
                                estimates_.data(), stride, least);
        Query* queries = queries_.data() + (block.factors - factors_.data());
        for (std::size_t i = 0; i < block.n; ++i)
            consider(queries[i], estimates_.data() + i * stride, first_panel * kLaneRows, n,
                     least[i]);
    }
}

// 3 w: what rounding can make of a sum of squares, with room to spare.
double Search::share() const { return 3 * static_cast<double>(bank_->columns() + 16) * 0x1p-52; }

double Search::bound(const Query& query, double error, double norm) const {
    return query.reach * error + query.rest * norm + kRounding * norm * norm + kTiny;
}

// Rows first ... first + n of one query, the least of their estimates known.
void Search::consider(Query& query, const float* estimates, std::size_t first, std::size_t n,
                      float least) {
    const double widest = bound(query, bank_->largest_error_, bank_->largest_norm_);
    if (!query.searched || std::isinf(least) || least - widest > query.limit) return;
    // The row of the least estimate is at most least + widest away from |y|^2, rounding apart, so
    // no row whose estimate exceeds that by another `widest` can be as near.
    const double rounding = 3 * share() * (query.square + std::fabs(least) + widest);
    const double limit = std::min(least + widest + rounding, query.limit) + widest;
    const std::size_t count = simd::active().at_most(
        estimates, n, up(std::min<double>(limit, std::numeric_limits<float>::max())), near_.data());
    std::size_t nearest = near_[0];
    for (std::size_t k = 1; k < count; ++k) {
        if (estimates[near_[k]] < estimates[nearest]) nearest = near_[k];
    }
    compare(query, first + nearest);
    const auto is_near = [&](std::size_t i) {
        const double error = bound(query, bank_->errors_[first + i], bank_->norms_[first + i]);
        return !std::isinf(estimates[i]) && estimates[i] - error <= query.limit;
    };
    std::size_t kept = 0;  // one row behind, so that the next one is on its way from memory
    for (std::size_t k = 0; k < count; ++k) {
        if (!is_near(near_[k])) continue;
        fetch(first + near_[k]);
        near_[kept++] = near_[k];
        if (kept > 1 && is_near(near_[kept - 2])) compare(query, first + near_[kept - 2]);
    }
    if (kept > 0 && is_near(near_[kept - 1])) compare(query, first + near_[kept - 1]);
}

void Search::fetch(std::size_t row) const {
    const float* values = bank_->row(row);
    for (std::size_t c = 0; c < bank_->columns(); c += kLineFloats) __builtin_prefetch(values + c);
}

void Search::compare(Query& query, std::size_t row) const {
    const auto index = static_cast<std::int32_t>(row);
    if (index == query.best.row) return;
    const double distance =
        simd::active().squared_distance(query.x, bank_->row(row), bank_->columns());
    const bool closer = query.best.row < 0 || distance < query.best.distance ||
                        (distance == query.best.distance && index < query.best.row);
    if (!closer) return;
    query.best = {distance, index};
    const double scaled = distance * bank_->scale_ * bank_->scale_;
    query.limit = scaled * (1 + share()) - query.square * (1 - share());
}

// Brute force, for an x that is not finite or beyond the estimates.
void Search::compare_all(Query& query) const {
    query.searched = false;
    const std::size_t dim = bank_->columns();
    if (std::any_of(query.x, query.x + dim, [](float v) { return std::isnan(v); })) {
        query.best = {kNaN, -1};
    } else if (std::all_of(query.x, query.x + dim, [](float v) { return std::isfinite(v); })) {
        for (std::size_t i = 0; i < bank_->rows(); ++i) compare(query, i);
    }
}

}  // namespace eg
