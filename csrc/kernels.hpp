// The kernels of edge-guard: everything that is computed for each frame, without Python.
//
// Pointers are borrowed for the call. Nothing is allocated after construction, except that
// image_statistics grows a buffer of its thread when it meets a wider image. Constructors and
// selectors throw std::invalid_argument naming the argument; the per-frame functions throw
// nothing, take sizes on trust, and answer NaN with NaN.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bank.hpp"
#include "layout.hpp"

namespace eg {

// ---- SIMD levels -------------------------------------------------------------------------------
// The inner loops are compiled once per level: "scalar" (no vectorisation: the reference), "sse2"
// or "neon" (what every CPU of the architecture has), "avx2" (with FMA), "avx512" (F, BW, DQ, VL,
// VNNI), "dotprod" (NEON with the int8 dot product).
// Integer results (image statistics, quantized pooling) and nearest rows are equal at every level;
// other float sums differ in the order of their additions.

// Levels that this build has and this CPU and operating system can run, slowest first.
std::vector<std::string> simd_levels();
// The level in use; on first use the fastest, or the one EDGE_GUARD_SIMD names.
const char* simd_level();
// Use `name` from now on, in all threads. Throws for an unknown or unsupported one, naming both it
// and the possible ones.
void set_simd_level(const std::string& name);

// ---- logits ------------------------------------------------------------------------------------
// l_c = stored, dequantized; or, where the model ends in a softmax, ln(max(p_c, 1e-12)).
//   p      = softmax(l / temperature), by the largest logit, in float64
//   gen    = sum over the `top` largest p of p^gamma (1-p)^gamma     (Liu 2023, GEN)
//   energy = -temperature * ln sum_c exp(l_c / temperature)          (Liu 2020)
//   msp    = 1 - max p                                              (Hendrycks 2017)
// 1-p is summed from the other classes, so it keeps its digits when p is near 1.
// Ties of the largest logit go to the first. `top` above the number of classes means all. A NaN or
// +inf logit makes every value NaN and the class -1; a -inf logit is a class of probability 0, and
// nothing but -inf gives NaN.
struct LogitOptions {
    bool probabilities = false;
    double temperature = 1.0;  // > 0
    double gamma = 0.1;        // > 0
    std::size_t top = 1;       // >= 1
};
struct LogitScores {
    double gen, energy, msp, max_p;
    std::int32_t argmax;
};
// scratch: 2 * channels values.
LogitScores logit_scores(const Tensor& tensor, const void* logits, const LogitOptions& options,
                         double* scratch);

// ---- pooling -----------------------------------------------------------------------------------
// A tap of height * width = 1 gives its C values, dequantized. A map gives 3C: per channel the
// mean, the standard deviation (divisor n), and the standard deviation of the means of the blocks
// of a grid: min(4, height) by min(4, width), block i of n spanning rows floor(i*h/n) to
// floor((i+1)*h/n). Quantized maps are summed exactly; float32 maps in float64, so a deviation is
// good to about 1e-8 of the mean. NaN stays in its channel.
constexpr std::size_t kMaxSide = 32768;  // of maps and images
std::size_t pooled_size(const Tensor& tensor);
std::size_t pooling_scratch_bytes(const Tensor& tensor);
void pool(const Tensor& tensor, const void* data, void* scratch, float* out);

// ---- distances (the nearest row: bank.hpp) ------------------------------------------------------
// Squared Mahalanobis distance to the nearest mean under a low-rank plus isotropic precision:
//   d2(m) = sum_r gain_r c_r^2 + perp * max(0, |x - mu_m|^2 - sum_r c_r^2),  c_r = b_r . (x - mu_m)
// x is centred on the mean of the means and projected once; all sums are float64, since the
// subtraction cancels where the basis holds nearly all of x - mu. Ties go to the first mean.
class Gaussian {
public:
    // means (M, D), basis (R, D) with orthonormal rows (not checked), gain (R) >= 0, perp >= 0.
    Gaussian(const Matrix& means, const Matrix& basis, std::vector<float> gain, double perp);
    std::size_t dim() const { return center_.size(); }
    std::size_t scratch_size() const { return lines_ * kLineValues + bands_ * kBandRows; }
    Match distance(const float* x, double* scratch) const;

private:
    void append(const Matrix& rows, std::size_t first);

    std::size_t rank_, n_means_, bands_, lines_;
    double perp_;
    std::vector<float> gain_;
    Pages<float> rows_;            // basis, then means, as simd::Table::project wants them
    std::vector<double> center_;   // mean of the means
    std::vector<double> offsets_;  // (M, R): basis . (mu_m - center)
    std::vector<double> norms_;    // |mu_m - center|^2
};

// ---- patches -----------------------------------------------------------------------------------
// The feature-map guard (Roth 2022, PatchCore; bank and basis are fitted elsewhere). f(p) is the
// mean of the map over the 3x3 positions round p that lie inside it:
//   q(p) = basis f(p) - offset,  distance(p) = gain_p min_r |q(p) - bank_r|
//   score = mean of the `top` largest distances (of all where there are fewer positions)
// q is computed in float32; row and distance are exact for that q. A NaN or infinite value near p
// makes distance(p) and the score NaN.
struct Patches {
    // basis (D, C), offset (D), bank (B, D), gain (H W) not below 0, empty = ones. An empty bank
    // describes and does not score.
    Patches(std::size_t tap, Matrix basis, std::vector<float> offset,
            const Matrix& bank, std::size_t top,
            std::vector<float> gain = {});

    std::size_t tap;
    Matrix basis;
    std::vector<float> offset;
    std::shared_ptr<const Bank> bank;  // null where it only describes
    std::size_t top;
    std::vector<float> gain;
};

// Patches bound to a tap's layout, and the buffers of one frame.
class PatchMap {
public:
    PatchMap(const Patches& patches, const Tensor& tensor);
    std::size_t size() const { return tensor_.height * tensor_.width; }
    std::size_t dim() const { return dim_; }
    bool scores() const { return search_ != nullptr; }
    // The score, and the position of the largest distance (-1 with NaN).
    Match score(const void* data);
    void describe(const void* data);
    // Of the last frame: (size,) distances, (size, dim) descriptors.
    const std::vector<float>& distances() const { return distances_; }
    void copy_descriptors(float* out) const;

private:
    float distance(std::size_t position) const;  // from the match

    const Patches patches_;
    Tensor tensor_;
    std::size_t dim_, columns_;  // columns_: dim_ rounded up to whole panels
    std::unique_ptr<Search> search_;  // null without a bank
    std::vector<float> basis_;
    std::vector<float> widened_, projected_, descriptors_, distances_, ordered_;
    std::vector<Match> matches_;
};

// ---- fusion ------------------------------------------------------------------------------------
//   z_k = (s_k - center_k) / spread_k,  a_k = sign(z_k) ln(1 + |z_k|),  b_k = 3 tanh(a_k / 3)
//   fused = sum weight_k b_k + sum tail_k max(0, a_k - knee_k)
//           + top1 * max b + top3 * mean of the top 3 b (fewer than three: all of them)
// A solo lets the last score speak for the whole frame where it
// is loud enough: with a of the last score,
//   fused <- fused + softness ln(1 + exp((gain a + offset - fused) / softness))
//   p = (1 + #{calibration >= fused}) / (n + 1)
// A NaN score makes both NaN, whatever its weight.
struct Fusion {
    std::vector<double> center, spread, weight, tail, knee;
    double top1 = 0, top3 = 0;
    std::vector<double> calibration;  // ascending
    std::vector<double> solo;         // gain, offset, softness; empty: none

    // Throws std::invalid_argument unless sizes agree, spread and softness > 0, and calibration is
    // sorted.
    void validate() const;
    double fuse(const double* scores) const;
    double p_value(double fused) const;
};

// ---- image statistics --------------------------------------------------------------------------
// Named values of one image and a kCells x kCells grid of its luma; definitions in statistics.cpp.
// height and width from 16 to kMaxSide. A constant image gives finite values.
extern const std::vector<std::string> kStatistics;
extern const std::vector<std::string> kLevels;
// statistics: kStatistics.size() + kLevels.size(); cells: (2, kCells, kCells), luma mean then
// standard deviation. Returns a hash, equal for equal images whatever their strides.
std::uint64_t image_statistics(const Image& image, float* statistics, float* cells);

// ---- scorer ------------------------------------------------------------------------------------
// One embedding of a frame and the guards that score it.
struct View {
    // source: index of a tap, or -1 for the image statistics.
    // normalize: every block of this many values is divided by its L2 norm, computed in float64 (a
    // zero block stays zero); 0: none. scale: factors applied afterwards, empty = ones. center:
    // where given, the embedding is asinh((x - center) * scale), which keeps heavy tails from
    // shouting. contrast: weights of x and of |x|, one after the other, 2 a value; their sum is a
    // score of its own. columns: those of its source that it reads, empty = all.
    View(std::int64_t source, std::size_t normalize, std::vector<float> scale, const Matrix& means,
         const Matrix& basis, std::vector<float> gain, double perp, const Matrix& bank,
         std::vector<float> center, std::vector<float> contrast,
         std::vector<std::int32_t> columns = {});

    std::int64_t source;
    std::size_t normalize;
    std::vector<float> scale;
    std::vector<float> center;                 // empty: no asinh
    std::unique_ptr<const Gaussian> gaussian;  // null without means
    Bank bank;                                 // no rows: no nearest-neighbour guard
    std::vector<float> contrast;               // empty: no such guard
    std::vector<std::int32_t> columns;         // empty: all
};

// All guards of one frame. Buffers are its own: one call at a time.
class Scorer {
public:
    Scorer(const Tensor* logits, const LogitOptions& options, std::vector<Tensor> taps,
           std::size_t n_statistics, std::vector<std::shared_ptr<const View>> views,
           const Fusion* fusion, const Patches* patches = nullptr);
    std::size_t n_scores() const { return n_scores_; }
    std::size_t n_indices() const { return n_indices_; }
    bool has_logits() const { return has_logits_; }
    const Tensor& logits() const { return logits_; }
    const std::vector<Tensor>& taps() const { return taps_; }
    std::size_t n_statistics() const { return n_statistics_; }
    const std::vector<std::size_t>& embedding_sizes() const { return sizes_; }

    // taps: one pointer a tap. values: n_scores + 3, the scores, then fused, p-value, max p.
    // indices: n_indices, the class, then for each view its nearest mean, nearest row, and -1 for
    // its contrast; last the position that is farthest from the bank of patches.
    void score(const void* logits, const void* const* taps, const float* statistics, double* values,
               std::int32_t* indices);
    // The feature-map guard; null without one.
    const PatchMap* patches() const { return patches_.get(); }
    // out: the descriptors of every position of the map, (size, dim).
    void describe(const void* const* taps, float* out);
    // out: the embeddings of all views, one after the other.
    void embed(const void* const* taps, const float* statistics, float* out);

private:
    void add_view(const View& view, const std::string& name);
    void add_patches(const Patches& patches);
    void pool_taps(const void* const* taps);
    void embed_view(std::size_t view, const float* statistics, float* out) const;

    bool has_logits_;
    Tensor logits_;
    LogitOptions options_;
    std::vector<Tensor> taps_;
    std::size_t n_statistics_;
    std::vector<std::shared_ptr<const View>> views_;
    std::vector<std::unique_ptr<Search>> searches_;  // per view; null without a bank
    std::unique_ptr<PatchMap> patches_;
    std::size_t patch_tap_ = 0;
    std::unique_ptr<const Fusion> fusion_;
    std::size_t n_scores_ = 0, n_indices_ = 1;
    std::vector<std::size_t> sizes_;
    std::vector<std::vector<float>> pooled_;  // per tap; empty where no view reads it
    std::vector<float> embedding_;
    std::vector<unsigned char> scratch_;
};

// ---- the input gate -----------------------------------------------------------------------------
// Whether low[i] <= values[columns[i]] <= high[i] for all n; NaN is outside.
bool within(const float* values, const std::int32_t* columns, const double* low,
            const double* high, std::size_t n);

// shift = median of (means - center); worst = max |means - center - shift| / (spread + floor).
struct SceneLight {
    double shift, worst;
};
// Arrays of kCells * kCells finite values.
SceneLight scene_light(const float* means, const double* center, const double* spread,
                       double floor);
// Median of |a - b| of kCells * kCells finite values.
double median_change(const float* a, const float* b);

}  // namespace eg
