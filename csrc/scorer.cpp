// All guards of one frame in one call, out of the parts.
#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "kernels.hpp"

namespace eg {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

void require(bool condition, const std::string& problem) {
    if (!condition) throw std::invalid_argument(problem);
}

void validate(const Tensor& tensor, const std::string& name) {
    require(tensor.height >= 1 && tensor.width >= 1 && tensor.channels >= 1,
            name + ": expected height, width and channels of at least 1");
    require(tensor.height <= kMaxSide && tensor.width <= kMaxSide,
            name + ": expected height and width of at most " + std::to_string(kMaxSide));
    require(std::isfinite(tensor.scale) && tensor.scale > 0,
            name + ": expected a finite scale above 0");
}

void normalize_blocks(float* values, std::size_t n, std::size_t block) {
    for (float* start = values; start < values + n; start += block) {
        double square = 0;
        for (std::size_t i = 0; i < block; ++i) square += static_cast<double>(start[i]) * start[i];
        if (square == 0) continue;
        const double factor = 1 / std::sqrt(square);
        for (std::size_t i = 0; i < block; ++i) start[i] = static_cast<float>(start[i] * factor);
    }
}

// Sum of weights times values and their magnitudes, in float64.
double contrast(const std::vector<float>& weights, const float* x) {
    const std::size_t n = weights.size() / 2;
    double sum = 0;
    for (std::size_t i = 0; i < n; ++i) {
        sum += static_cast<double>(weights[i]) * x[i] +
               static_cast<double>(weights[n + i]) * std::fabs(x[i]);
    }
    return sum;
}

}  // namespace

View::View(std::int64_t source_, std::size_t normalize_, std::vector<float> scale_,
           const Matrix& means, const Matrix& basis, std::vector<float> gain, double perp,
           const Matrix& bank_, std::vector<float> center_, std::vector<float> contrast_,
           std::vector<std::int32_t> columns_)
    : source(source_),
      normalize(normalize_),
      scale(std::move(scale_)),
      center(std::move(center_)),
      bank(bank_, Layout::halves),
      contrast(std::move(contrast_)),
      columns(std::move(columns_)) {
    require(source >= -1, "source: expected -1 or the index of a tap");
    if (means.rows > 0) gaussian = std::make_unique<Gaussian>(means, basis, std::move(gain), perp);
    require(means.rows > 0 || basis.rows == 0, "basis: given without means");
    for (const float v : scale) require(std::isfinite(v), "scale: expected finite values");
    for (const float v : center) require(std::isfinite(v), "center: expected finite values");
    for (const float v : contrast) require(std::isfinite(v), "contrast: expected finite values");
}

Scorer::Scorer(const Tensor* logits, const LogitOptions& options, std::vector<Tensor> taps,
               std::size_t n_statistics, std::vector<std::shared_ptr<const View>> views,
               const Fusion* fusion, const Patches* patches)
    : has_logits_(logits != nullptr),
      options_(options),
      taps_(std::move(taps)),
      n_statistics_(n_statistics),
      views_(std::move(views)),
      pooled_(taps_.size()) {
    require(std::isfinite(options.temperature) && options.temperature > 0,
            "temperature: expected a finite value above 0");
    require(std::isfinite(options.gamma) && options.gamma > 0,
            "gamma: expected a finite value above 0");
    require(options.top >= 1, "top: expected at least 1");
    std::size_t scratch = 0;
    if (has_logits_) {
        logits_ = *logits;
        validate(logits_, "logits");
        require(logits_.height * logits_.width == 1, "logits: expected height and width of 1");
        n_scores_ = 3;
        scratch = 2 * logits_.channels * sizeof(double);
    }
    for (std::size_t t = 0; t < taps_.size(); ++t) {
        validate(taps_[t], "taps[" + std::to_string(t) + "]");
        scratch = std::max(scratch, pooling_scratch_bytes(taps_[t]));
    }
    for (std::size_t v = 0; v < views_.size(); ++v) {
        add_view(*views_[v], "views[" + std::to_string(v) + "]");
        if (views_[v]->gaussian) {
            scratch = std::max(scratch, views_[v]->gaussian->scratch_size() * sizeof(double));
        }
    }
    scratch_.resize(scratch);
    if (patches != nullptr) add_patches(*patches);
    if (fusion == nullptr) return;
    fusion->validate();
    require(fusion->center.size() == n_scores_, "fusion: expected " + std::to_string(n_scores_) +
                                                    " scores, got " +
                                                    std::to_string(fusion->center.size()));
    fusion_ = std::make_unique<Fusion>(*fusion);
}

void Scorer::add_view(const View& view, const std::string& name) {
    require(view.source < static_cast<std::int64_t>(taps_.size()),
            name + ".source: " + std::to_string(view.source) + " is not one of the " +
                std::to_string(taps_.size()) + " taps");
    std::size_t dim = n_statistics_;
    if (view.source >= 0) {
        const auto tap = static_cast<std::size_t>(view.source);
        dim = pooled_size(taps_[tap]);
        pooled_[tap].resize(dim);
    }
    const auto agrees = [&](std::size_t size, const char* part) {
        require(size == dim, name + "." + part + ": expected " + std::to_string(dim) +
                                 " values a row, got " + std::to_string(size));
    };
    require(dim > 0, name + ": its source has no values");
    for (const std::int32_t column : view.columns) {
        require(column >= 0 && static_cast<std::size_t>(column) < dim,
                name + ".columns: " + std::to_string(column) + " is not one of the " +
                    std::to_string(dim) + " values");
    }
    if (!view.columns.empty()) dim = view.columns.size();
    require(view.normalize == 0 || dim % view.normalize == 0,
            name + ".normalize: " + std::to_string(view.normalize) + " does not divide " +
                std::to_string(dim));
    if (!view.scale.empty()) agrees(view.scale.size(), "scale");
    if (!view.center.empty()) agrees(view.center.size(), "center");
    if (view.gaussian) agrees(view.gaussian->dim(), "means");
    if (view.bank.rows() > 0) agrees(view.bank.columns(), "bank");
    require(view.contrast.empty() || view.contrast.size() == 2 * dim,
            name + ".contrast: expected " + std::to_string(2 * dim) + " values, got " +
                std::to_string(view.contrast.size()));
    searches_.push_back(view.bank.rows() > 0 ? std::make_unique<Search>(view.bank, 1) : nullptr);
    const std::size_t guards =
        (view.gaussian ? 1 : 0) + (searches_.back() ? 1 : 0) + (view.contrast.empty() ? 0 : 1);
    n_scores_ += guards;
    n_indices_ += guards;
    sizes_.push_back(dim);
    embedding_.resize(std::max(embedding_.size(), dim));
}

void Scorer::add_patches(const Patches& patches) {
    require(patches.tap < taps_.size(), "patches.tap: " + std::to_string(patches.tap) +
                                            " is not one of the " + std::to_string(taps_.size()) +
                                            " taps");
    patches_ = std::make_unique<PatchMap>(patches, taps_[patches.tap]);
    patch_tap_ = patches.tap;
    if (!patches_->scores()) return;
    ++n_scores_;
    ++n_indices_;
}

void Scorer::describe(const void* const* taps, float* out) {
    patches_->describe(taps[patch_tap_]);
    patches_->copy_descriptors(out);
}

void Scorer::pool_taps(const void* const* taps) {
    for (std::size_t t = 0; t < taps_.size(); ++t) {
        if (!pooled_[t].empty()) pool(taps_[t], taps[t], scratch_.data(), pooled_[t].data());
    }
}

void Scorer::embed_view(std::size_t v, const float* statistics, float* out) const {
    const View& view = *views_[v];
    const float* source =
        view.source < 0 ? statistics : pooled_[static_cast<std::size_t>(view.source)].data();
    if (view.columns.empty()) std::copy_n(source, sizes_[v], out);
    for (std::size_t i = 0; i < view.columns.size(); ++i) out[i] = source[view.columns[i]];
    if (view.normalize > 0) normalize_blocks(out, sizes_[v], view.normalize);
    for (std::size_t i = 0; i < view.center.size(); ++i) out[i] -= view.center[i];
    for (std::size_t i = 0; i < view.scale.size(); ++i) out[i] *= view.scale[i];
    if (!view.center.empty())
        std::transform(out, out + sizes_[v], out,
                       [](float x) { return x == 0 ? x : std::asinh(x); });
}

void Scorer::embed(const void* const* taps, const float* statistics, float* out) {
    pool_taps(taps);
    for (std::size_t v = 0; v < views_.size(); ++v) {
        embed_view(v, statistics, out);
        out += sizes_[v];
    }
}

void Scorer::score(const void* logits, const void* const* taps, const float* statistics,
                   double* values, std::int32_t* indices) {
    auto* scratch = reinterpret_cast<double*>(scratch_.data());
    double* next = values;
    double max_p = kNaN;
    *indices++ = -1;
    if (has_logits_) {
        const LogitScores scores = logit_scores(logits_, logits, options_, scratch);
        *next++ = scores.gen;
        *next++ = scores.energy;
        *next++ = scores.msp;
        max_p = scores.max_p;
        indices[-1] = scores.argmax;
    }
    pool_taps(taps);
    for (std::size_t v = 0; v < views_.size(); ++v) {
        const View& view = *views_[v];
        embed_view(v, statistics, embedding_.data());
        const auto report = [&](const Match& match) {
            *next++ = match.distance;
            *indices++ = match.row;
        };
        if (view.gaussian) report(view.gaussian->distance(embedding_.data(), scratch));
        if (searches_[v]) {
            Match match;
            searches_[v]->run(embedding_.data(), sizes_[v], &match);
            report(match);
        }
        if (!view.contrast.empty()) report({contrast(view.contrast, embedding_.data()), -1});
    }
    if (patches_ && patches_->scores()) {
        const Match match = patches_->score(taps[patch_tap_]);
        *next++ = match.distance;
        *indices++ = match.row;
    }
    next[0] = fusion_ ? fusion_->fuse(values) : kNaN;
    next[1] = fusion_ ? fusion_->p_value(next[0]) : kNaN;
    next[2] = max_p;
}

}  // namespace eg
