// What the files that compute image statistics share (statistics.cpp says what they compute).
#pragma once

#include <array>
#include <cmath>
#include <cstdint>

#include "layout.hpp"
#include "simd/table.hpp"

namespace eg {

constexpr std::size_t kCellCount = kCells * kCells;
using Cells = std::array<double, kCellCount>;

// Writes values in the order of kStatistics.
class Writer {
public:
    explicit Writer(float* out) : next_(out) {}
    void put(double value) { *next_++ = static_cast<float>(value); }

private:
    float* next_;
};

template <typename Integer>
double real(Integer value) {
    return static_cast<double>(value);
}

// Standard deviation of n values from their sum and the sum of their squares.
inline double deviation(double sum, double square, double n) {
    const double variance = square / n - sum / n * (sum / n);
    return variance > 0 ? std::sqrt(variance) : 0;
}

// tones.cpp; moments returns the standard deviation, n is the number of pixels.
double moments(const simd::ImageSums& sums, double n, Writer& out);
void distribution(const simd::ImageSums& sums, std::int64_t n, Writer& out);
void chroma(const simd::ImageSums& sums, bool gray, double n, Writer& out);
void levels(const simd::ImageSums& sums, std::int64_t n, Writer& out);

// textures.cpp
void gradients(const simd::ScaleSums& s, double width, Writer& out);
void sharpness(const simd::ScaleSums& s, double width, double sd, Writer& out);
void noise(const simd::ImageSums& sums, Writer& out);
void patterns(const simd::ImageSums& sums, double width, Writer& out);
void scales(const simd::ImageSums& sums, std::size_t width, Writer& out);

// places.cpp
void cell_moments(const simd::ImageSums& sums, std::size_t width, Cells& mean, Cells& sd);
double mean_of(const Cells& cells);
double sd_of(const Cells& cells);
void banding(const Image& image, const simd::ImageSums& sums, const simd::ImageScratch& scratch,
             Writer& out);
void layout(const Cells& mean, const Cells& sd, Writer& out);

// spectrum.cpp: the picture reduced to side x side means, less their mean.
struct Grid {
    std::size_t side;
    std::array<double, simd::kGrid * simd::kGrid> values;
};

Grid reduced(const Image& image, const simd::ImageSums& sums);
void correlations(const Grid& grid, Writer& out);
void spectrum(const Grid& grid, Writer& out);

}  // namespace eg
