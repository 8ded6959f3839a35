// GEN, energy and MSP of one logit vector.
#include <algorithm>
#include <cmath>
#include <limits>

#include "dequantize.hpp"
#include "kernels.hpp"

namespace eg {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kLeastProbability = 1e-12;

struct Peak {
    double value;
    std::size_t index;
    bool finite;
};

// The logits over the temperature, and the largest of them.
Peak scale_logits(const LogitOptions& options, std::size_t n, double* l) {
    Peak peak = {-std::numeric_limits<double>::infinity(), 0, true};
    for (std::size_t c = 0; c < n; ++c) {
        if (options.probabilities)
            l[c] = std::log(l[c] < kLeastProbability ? kLeastProbability : l[c]);
        l[c] /= options.temperature;
        if (std::isnan(l[c])) peak.finite = false;
        if (l[c] > peak.value) peak.value = l[c], peak.index = c;
    }
    peak.finite = peak.finite && std::isfinite(peak.value);
    return peak;
}

// p^gamma (1-p)^gamma summed over the `top` largest p; e = p times the sum of all e.
double gen_score(const LogitOptions& options, std::size_t n, double* e, double others) {
    const std::size_t top = std::min(options.top, n);
    std::nth_element(e, e + (top - 1), e + n, std::greater<double>());
    std::iter_swap(e, std::max_element(e, e + top));
    const double total = 1.0 + others;
    double gen = 0;
    for (std::size_t i = 0; i < top; ++i) {
        const double p = e[i] / total;
        const double rest = i == 0 ? others / total : 1.0 - p;
        gen += std::pow(p * rest, options.gamma);
    }
    return gen;
}

}  // namespace

LogitScores logit_scores(const Tensor& tensor, const void* logits, const LogitOptions& options,
                         double* scratch) {
    const std::size_t n = tensor.channels;
    double *l = scratch, *e = scratch + n;
    dequantize(tensor, logits, n, l);
    const Peak peak = scale_logits(options, n, l);
    if (!peak.finite) return {kNaN, kNaN, kNaN, kNaN, -1};
    double others = 0;  // sum of exp(l - max) but for the largest, whose exp is 1
    for (std::size_t c = 0; c < n; ++c) {
        e[c] = std::exp(l[c] - peak.value);
        if (c != peak.index) others += e[c];
    }
    LogitScores scores;
    scores.energy = -options.temperature * (peak.value + std::log1p(others));
    scores.msp = others / (1.0 + others);
    scores.max_p = 1.0 / (1.0 + others);
    scores.argmax = static_cast<std::int32_t>(peak.index);
    scores.gen = gen_score(options, n, e, others);
    return scores;
}

}  // namespace eg
