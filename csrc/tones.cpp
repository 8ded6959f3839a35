// Grey levels and colours: moments and percentiles of the histogram, means and spreads of channels.
#include "statistics.hpp"

namespace eg {
namespace {

constexpr std::size_t kBins = 16;
constexpr double kShareFloor = 0.003;
constexpr std::int64_t kSample = 4096;  // pixels of whose extremes the darkest and brightest tell

}  // namespace

double moments(const simd::ImageSums& sums, double n, Writer& out) {
    double first = 0;
    for (int v = 0; v < 256; ++v) first += sums.histogram[v] * static_cast<double>(v);
    const double mean = first / n;
    double m2 = 0, m3 = 0, m4 = 0;
    for (int v = 0; v < 256; ++v) {
        const double d = v - mean, square = sums.histogram[v] / n * d * d;
        m2 += square;
        m3 += square * d;
        m4 += square * d * d;
    }
    out.put(mean);
    out.put(std::sqrt(m2));
    out.put(m2 > 0 ? m3 / (m2 * std::sqrt(m2)) : 0);
    out.put(m2 > 0 ? m4 / (m2 * m2) - 3 : 0);
    return std::sqrt(m2);
}

void distribution(const simd::ImageSums& sums, std::int64_t n, Writer& out) {
    for (const std::int64_t percent : {1, 5, 25, 50, 75, 95, 99}) {
        std::int64_t below = 0;
        int level = 0;
        while ((below += sums.histogram[level]) * 100 < percent * n) ++level;
        out.put(level);
    }
    const double total = real(n);
    out.put((real(sums.histogram[0]) + sums.histogram[1]) / total);
    out.put((real(sums.histogram[254]) + sums.histogram[255]) / total);
    double entropy = 0;
    for (const std::uint32_t count : sums.histogram) {
        if (count > 0) entropy += count / total * std::log2(total / count);
    }
    out.put(entropy);
}

void chroma(const simd::ImageSums& sums, bool gray, double n, Writer& out) {
    if (gray) {
        for (int i = 0; i < 5; ++i) out.put(0);
        return;
    }
    const double red = real(sums.red), green = real(sums.green), blue = real(sums.blue);
    out.put(std::log((red / n + 1) / (green / n + 1)));
    out.put(std::log((blue / n + 1) / (green / n + 1)));
    out.put(real(sums.chroma) / n);
    out.put(deviation(red - green, real(sums.red_green_square), n));
    out.put(deviation(blue - green, real(sums.blue_green_square), n));
}

// The shares of sixteen levels each, and the extremes but for the rarest pixels.
void levels(const simd::ImageSums& sums, std::int64_t n, Writer& out) {
    for (std::size_t bin = 0; bin < kBins; ++bin) {
        std::int64_t held = 0;
        for (std::size_t i = 0; i < 256 / kBins; ++i) held += sums.histogram[bin * kBins + i];
        out.put(std::log(real(held) / real(n) + kShareFloor));
    }
    std::int64_t below = 0, above = 0;
    int darkest = 0, brightest = 255;
    while ((below += sums.histogram[darkest]) * kSample < n) ++darkest;
    while ((above += sums.histogram[brightest]) * kSample < n) --brightest;
    out.put(darkest);
    out.put(brightest);
}

}  // namespace eg
