// The search that proves most rows too far; see bank.hpp.
#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "bank.hpp"
#include "simd.hpp"

namespace eg {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kRounding = 1.0 / (1 << 20);  // k
constexpr double kTiny = 1e-34;
constexpr int kMost = 127;                                    // |p|
constexpr std::size_t kCacheBytes = std::size_t{256} << 10;  // of packed rows searched at a time
constexpr std::size_t kMostPanels = 1024, kPanelsOfMany = 64;
constexpr std::size_t kLineFloats = 16;  // of a cache line
constexpr std::int32_t kHalfBias = 8, kUpper = 16;  // a half is a + 8; q = 16 a + l

float up(double value) {
    return std::nextafter(static_cast<float>(value), std::numeric_limits<float>::infinity());
}

std::size_t panels_of(std::size_t rows) { return (rows + kLaneRows - 1) / kLaneRows; }

}  // namespace

Search::Search(const Bank& bank, std::size_t n)
    : bank_(&bank),
      queries_(n),
      factors_(n),
      biases_(n),
      integers_(n * bank.columns()),
      turned_(bank.columns()) {
    const bool halves = bank.layout() == Layout::halves;
    if (halves && n > 1) throw std::invalid_argument("search: this bank is for one vector");
    const std::size_t all = panels_of(bank.rows()), panel_bytes = kLaneRows * 4 * bank.quads_;
    chunk_ = halves ? kMostPanels
                    : std::clamp(kCacheBytes / panel_bytes, std::size_t{8}, kPanelsOfMany);
    chunk_ = std::min(chunk_, all);
    estimates_.resize(std::min(n, kBlock) * chunk_ * kLaneRows);
    near_.resize(chunk_ * kLaneRows);
    if (halves) {
        first_.resize(bank.half_row());
        second_.resize(bank.half_row());
        products_.resize(chunk_ * kLaneRows);
        lower_.resize(chunk_ * kLaneRows);
        return;
    }
    values_.resize(n * bank.quads_);
    std::size_t first = 0;
    for (const std::size_t size : {kBlock, std::size_t{4}, std::size_t{1}}) {
        for (; first + size <= n; first += size) {
            blocks_.push_back({values_.data() + first * bank.quads_, factors_.data() + first,
                               biases_.data() + first, size, bank.quads_});
        }
    }
}

void Search::run(const float* x, std::size_t stride, Match* found) {
    const bool halves = bank_->layout() == Layout::halves;
    for (std::size_t i = 0; i < queries_.size(); ++i) prepare(i, x + i * stride);
    halves ? pack_half_vector() : pack_blocks();
    const std::size_t panels = panels_of(bank_->rows());
    for (std::size_t p = 0; p < panels; p += chunk_) {
        const std::size_t n = std::min(chunk_, panels - p);
        halves ? search_halves(p, n) : search_bytes(p, n);
    }
    for (std::size_t i = 0; i < queries_.size(); ++i) found[i] = queries_[i].best;
}

void Search::prepare(std::size_t i, const float* x) {
    const std::size_t dim = bank_->columns();
    std::int16_t* integers = integers_.data() + i * dim;
    const double square = bank_->turned(x, turned_.data());
    if (!(square < kLargestSquare)) {  // NaN too
        queries_[i] = {x, square, 0, 0, kInfinity, false, {kInfinity, -1}};
        std::fill_n(integers, dim, std::int16_t{0});
        factors_[i] = 0;
        return compare_all(queries_[i]);
    }
    const simd::Quantized found =
        simd::active().quantize(turned_.data(), dim, largest_integer(), integers);
    const double rest = std::sqrt(found.rest_square) * (1 + kRounding);
    const double norm = std::sqrt(square) * (1 + kRounding);
    factors_[i] = -2 * found.step;
    queries_[i] = {x, square, 2 * (norm + rest), 2 * rest, kInfinity, true, {kInfinity, -1}};
}

void Search::pack_blocks() {
    for (const simd::QueryBlock& block : blocks_) {
        const auto first = static_cast<std::size_t>(block.factors - factors_.data());
        simd::active().pack_queries(integers_.data() + first * bank_->columns(), bank_->columns(),
                                    block);
    }
}

void Search::pack_half_vector() {
    std::int32_t sum = 0;
    for (std::size_t c = 0; c < bank_->columns(); ++c) {
        std::vector<std::int8_t>& half = c / 4 % 2 == 0 ? first_ : second_;
        half[c / 8 * 4 + c % 4] = static_cast<std::int8_t>(integers_[c]);
        sum += integers_[c];
    }
    biases_[0] = kHalfBias * sum;
}

// So that p.(q + 128), or 16 p.(a + 8) + p.(l + 8), stays below 2^31.
int Search::largest_integer() const {
    const std::size_t most = 0x7fffffff / (255 * 4 * (bank_->quads_ + 1));
    const int kind =
        bank_->layout() == Layout::halves ? kMost : simd::active().narrow_limit();
    return static_cast<int>(std::min(most, static_cast<std::size_t>(kind)));
}

void Search::search_bytes(std::size_t first_panel, std::size_t panels) {
    float least[kBlock];
    const std::size_t stride = chunk_ * kLaneRows, n = panels * kLaneRows;
    const simd::PackedRows rows = {bank_->packed_.data(), bank_->squares_.data(),
                                   bank_->whole_.scales.data()};
    for (const simd::QueryBlock& block : blocks_) {
        simd::active().estimate(rows, first_panel, panels, block, estimates_.data(), stride, least);
        Query* queries = queries_.data() + (block.factors - factors_.data());
        for (std::size_t i = 0; i < block.n; ++i) {
            const float* estimates = estimates_.data() + i * stride;
            const std::size_t count =
                shortlist(queries[i], estimates, n, least[i], bank_->whole_.largest);
            compare_nearest(queries[i], estimates, first_panel * kLaneRows, count);
            compare_near(queries[i], estimates, first_panel * kLaneRows, count);
        }
    }
}

void Search::search_halves(std::size_t first_panel, std::size_t panels) {
    Query& query = queries_[0];
    if (!query.searched) return;
    const simd::Table& level = simd::active();
    const std::size_t first = first_panel * kLaneRows, n = panels * kLaneRows;
    level.multiply_halves(bank_->packed_.data() + first * 4 * bank_->octets(), panels,
                          {first_.data(), second_.data(), bank_->octets()}, products_.data());
    const float least = level.estimate_halves(
        products_.data(), bank_->squares_.data() + first, bank_->half_.scales.data() + first, n,
        biases_[0], factors_[0], estimates_.data());
    std::size_t count = shortlist(query, estimates_.data(), n, least, bank_->half_.largest);
    compare_nearest(query, estimates_.data(), first, count);
    count = refine(query, first, count);
    compare_nearest(query, estimates_.data(), first, count);
    compare_near(query, estimates_.data(), first, count);
}

// Of the rows near_[0] ... near_[count - 1] those that the upper halves do not rule out come first,
// their number is returned, and their estimates are those of both halves.
std::size_t Search::refine(Query& query, std::size_t first, std::size_t count) {
    std::size_t kept = 0;
    for (std::size_t k = 0; k < count; ++k) {
        const std::size_t i = near_[k], row = first + i;
        const double error = bound(query, bank_->half_.errors[row], bank_->norms_[row]);
        if (!std::isinf(estimates_[i]) && estimates_[i] - error <= query.limit)
            near_[kept++] = near_[k];
    }
    simd::active().multiply_lower(bank_->lower(first), near_.data(), kept,
                                  {first_.data(), second_.data(), bank_->octets()}, lower_.data());
    for (std::size_t k = 0; k < kept; ++k) {
        const std::size_t i = near_[k];
        const std::int32_t product = kUpper * (products_[i] - biases_[0]) + lower_[k] - biases_[0];
        estimates_[i] = bank_->squares_[first + i] + factors_[0] * bank_->whole_.scales[first + i] *
                                                         static_cast<float>(product);
    }
    return kept;
}

// 3 w: what rounding can make of a sum of squares, with room to spare.
double Search::share() const { return 3 * static_cast<double>(bank_->columns() + 16) * 0x1p-52; }

double Search::bound(const Query& query, double error, double norm) const {
    return query.reach * error + query.rest * norm + kRounding * norm * norm + kTiny;
}

// Finds the rows that may be nearest, by their estimates alone, the least of which is known. Returns
// their number; they are in near_, ascending.
std::size_t Search::shortlist(const Query& query, const float* estimates, std::size_t n, float least,
                              double largest_error) {
    const double widest = bound(query, largest_error, bank_->largest_norm_);
    if (!query.searched || std::isinf(least) || least - widest > query.limit) return 0;
    // The row of the least estimate is at most least + widest away from |y|^2, rounding apart, so
    // no row whose estimate exceeds that by another `widest` can be as near.
    const double rounding = 3 * share() * (query.square + std::fabs(least) + widest);
    const double limit = std::min(least + widest + rounding, query.limit) + widest;
    return simd::active().at_most(estimates, n,
                                  up(std::min<double>(limit, std::numeric_limits<float>::max())),
                                  near_.data());
}

void Search::compare_nearest(Query& query, const float* estimates, std::size_t first,
                             std::size_t count) {
    if (count == 0) return;
    std::size_t nearest = near_[0];
    for (std::size_t k = 1; k < count; ++k) {
        if (estimates[near_[k]] < estimates[nearest]) nearest = near_[k];
    }
    compare(query, first + nearest);
}

// Compares with all of near_ whose estimates do not rule them out, one row behind, so that the next
// one is on its way from memory.
void Search::compare_near(Query& query, const float* estimates, std::size_t first,
                          std::size_t count) {
    const auto is_near = [&](std::size_t i) {
        const double error =
            bound(query, bank_->whole_.errors[first + i], bank_->norms_[first + i]);
        return !std::isinf(estimates[i]) && estimates[i] - error <= query.limit;
    };
    std::size_t kept = 0;
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
