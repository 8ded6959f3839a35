// What the drift monitors compute for each frame: reading a picture's channels, charts, ranks,
// running totals. The arithmetic of a few dozen numbers, the same at every SIMD level. Formulas are
// those of edge_guard/drift/{channels,cusum,edetector,history,settling}.py, which own the arrays.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "layout.hpp"

namespace eg::drift {

// ---- channels ----------------------------------------------------------------------------------
// light, contrast, focus, noise, red, blue, local, across, down, turn, scale
constexpr std::size_t kImageChannels = 11;
constexpr std::size_t kMoves = 4;
constexpr std::size_t kPicked = 5;     // sd, focus, noise, red, blue: indices of image statistics
constexpr std::size_t kSamples = 40;   // pixels a side that a picture is sampled at
constexpr std::size_t kRecent = 64;    // fine totals of a history, and coarse ones, frames each

// How many pixels of a side are sampled, how far apart, from where.
struct Spread {
    std::size_t start, step, count;
};
Spread spread(std::size_t side);

struct Scene {
    std::vector<double> center, weights;  // of each cell; weights sum to 1
    std::vector<float> picture;           // mean sample; empty where the scene is not fixed
    std::vector<float> registration;      // (kMoves, P), P = picture.size()
    std::vector<std::int32_t> picked;     // kPicked
    // Throws std::invalid_argument unless sizes agree.
    void validate() const;
};

class Reader {
public:
    explicit Reader(Scene scene);
    std::size_t cells() const { return scene_.center.size(); }
    // values: kImageChannels; NaN for moves where the scene is not fixed or the picture has another
    // size. statistics: by `picked`; cells: cells() means.
    void read(const Image& image, const float* statistics, const float* cells,
              double* values) const;

private:
    void register_moves(const Image& image, double* moves) const;

    Scene scene_;
    std::vector<double> texture_, gain_, root_;
    std::vector<float> interleaved_;  // registration by pixel, so that its four sums run abreast
    double place_[kMoves] = {};
};

// ---- charts ------------------------------------------------------------------------------------
// K channels, n charts a side; columns are all upper sides, then all lower ones.
struct ChartTables {
    std::size_t channels, charts;
    const double* channel;  // (3, K): mean, rho, sqrt(1 - rho^2)
    const double* column;   // (3 n + 2, 2 K): 1/scale, allowance, limit of each chart; jump, second
    double clip;
};
// columns: (2 n + 2, 2 K): level and since of each chart; jumping, jumped. before: (K,), NaN where
// there is no neighbour. A channel whose value is not finite rests. True where any alarms.
bool step_charts(const ChartTables& tables, const double* x, double frame, double* before,
                 double* columns);

// ---- ranks -------------------------------------------------------------------------------------
struct RankTables {
    std::size_t channels, edges, bets;
    const double* block;    // (K,) frames in a block
    const double* edge;     // (K, E) ascending
    const double* anew;     // (K,) 1 where the stream itself is the history, else 0
    const double* bet;      // (bets,) lambda
    const double* uniform;  // (K,) the ranks' random part
};
// sums (2, K): of the block at hand, and its frames; weights (K, E + 1); wealth (K, bets).
// True where a block was full, and so uniform numbers were used up.
bool step_ranks(const RankTables& tables, const double* x, double* sums, double* weights,
                double* wealth);
// z with P(Z <= z) = p of a standard normal Z, for 0 < p < 1.
double normal_quantile(double p);

// ---- totals ------------------------------------------------------------------------------------
// values (V,), NaN taken as usual (V,); total (V,), fine and coarse (kRecent, V).
void add_to_history(std::size_t size, std::size_t frames, const double* values,
                    const double* usual, double* total, double* fine, double* coarse);
// x (K,) against mean and sd (K,): sums (4, K) of d, d^2, squared steps and steps; before (K,).
void settle(std::size_t channels, const double* x, const double* mean, const double* sd,
            double* before, double* sums);

}  // namespace eg::drift
