// The named statistics of an image, from the exact sums that simd/ collects in one reading.
//
// Luma Y = (77 R + 150 G + 29 B) >> 8, or the gray pixel; eps = 0.5 grey levels. Of images with 256
// rows and more, edges, detail, noise and patterns are those of bands of 8 rows in every
// 8 ceil(H / 128), from the first row on, whole bands only; cells, rows, columns and the grid those
// of rows 0, 4, 8 ...; grey levels and colours those of rows 0, 8, 16 ...; stuck rows those of the
// whole image; and the hash is of rows 0, 2, 4 ... A pixel next to a band is
// not its neighbour. n: the pixels that a statistic is of.
//   mean sd skewness kurtosis    moments of Y (divisor n; kurtosis is excess; 0 where sd = 0)
//   p1 ... p99                   smallest level whose cumulative share is at least q
//   clipped_low clipped_high     shares of Y <= 1 and Y >= 254
//   entropy                      of the histogram, bits
//   gradient_x gradient_y        mean |gx|, mean |gy|: forward differences, where there are both
//   tenengrad                    mean of gx^2 + gy^2
//   gradient_sparsity            ln((rms + eps) / (mean absolute + eps)) of all gx and gy
//   edge_share                   share of |gx| + |gy| >= 32
//   coherence                    |(cos, sin)| of the structure tensor's orientation, where
//   orientation_cos orientation_sin   (Jxx - Jyy) / (Jxx + Jyy) and 2 Jxy / (Jxx + Jyy)
//   laplacian_sd                 of 4Y minus its four neighbours, where there are all
//   focus                        ln((laplacian_sd + eps) / (sd + eps))
//   noise                        1.4826 / 2 * median |d|, d = Y00-Y01-Y10+Y11 of the 2x2 blocks;
//                                within a level the median is interpolated: level k fills (k-1, k]
//   noise_mean                   sqrt(pi/2) / 2 * mean |d|
//   local_sd_mean local_sd_sd local_mean_sd   over the cells: of their sds, sd of their means
//   lbp_0 ... lbp_8 lbp_other    shares of the rotation-invariant uniform patterns (Ojala 2002),
//                                8 neighbours, bit = neighbour >= centre, where there are all
//   gradient_1x ... laplacian_8x   ln(1 + mean energy) at four scales, each the rounded 2x2 means
//                                of the one before; 0 where a scale has no such pixels. Of 256 rows
//                                and more, 4x is the means of 4 columns (of two, of two) of rows
//                                0, 4, 8 ...
//   log_rg log_bg                ln((mean R + 1) / (mean G + 1)), same for B; 0 for gray
//   saturation_mean              mean of max(B,G,R) - min(B,G,R), grey levels; 0 for gray
//   rg_sd bg_sd                  sd of R - G and B - G; 0 for gray
//   row_mean_sd column_mean_sd   sd of the means of rows and columns
//   row_banding column_banding   rms step between neighbouring row (column) means
//   stuck_rows stuck_columns     share of rows equal to the one before, all their channels;
//                                of columns, their Y
//   flat_cells                   share of cells with sd < 0.5
//   trend_x trend_y              mean of the right (lower) cells minus the left (upper) ones
//   center_surround              mean of the inner 4x4 cells minus the mean of the others
//   asymmetry_x asymmetry_y      mean |cell - its mirror image|, left-right and up-down
//   correlation_1x ... correlation_8y   of the grid g below: mean of g(p) g(p + lag) / (variance + 1)
//                                at 1, 2, 4, 8 grid steps along x, then along y; g less its mean
//   spectrum_0 ... spectrum_7    ln((ring + 1) / (mean of the rings + 1)): mean power of the Hann-
//                                windowed grid's Fourier transform over rings of radius r,
//                                k = floor(8 r), r in cycles a grid step over its Nyquist limit
//   level_0 ... level_15         ln(share of Y in 16 b ... 16 b + 15, + 0.003)
//   darkest brightest            the least (most) Y that one in 4096 pixels does not exceed (stay below)
// The grid is 32 x 32 means of Y, or 16 x 16 where a side has fewer than 32 pixels.
#include "statistics.hpp"

#include <algorithm>
#include <cstring>

#include "kernels.hpp"
#include "scratch.hpp"
#include "simd.hpp"

namespace eg {

// clang-format off
const std::vector<std::string> kStatistics = {
    "mean", "sd", "skewness", "kurtosis",
    "p1", "p5", "p25", "p50", "p75", "p95", "p99",
    "clipped_low", "clipped_high", "entropy",
    "gradient_x", "gradient_y", "tenengrad", "gradient_sparsity", "edge_share",
    "coherence", "orientation_cos", "orientation_sin",
    "laplacian_sd", "focus", "noise", "noise_mean",
    "local_sd_mean", "local_sd_sd", "local_mean_sd",
    "lbp_0", "lbp_1", "lbp_2", "lbp_3", "lbp_4", "lbp_5", "lbp_6", "lbp_7", "lbp_8", "lbp_other",
    "gradient_1x", "gradient_2x", "gradient_4x", "gradient_8x",
    "laplacian_1x", "laplacian_2x", "laplacian_4x", "laplacian_8x",
    "log_rg", "log_bg", "saturation_mean", "rg_sd", "bg_sd",
    "row_mean_sd", "column_mean_sd", "row_banding", "column_banding",
    "stuck_rows", "stuck_columns", "flat_cells",
    "trend_x", "trend_y", "center_surround", "asymmetry_x", "asymmetry_y",
    "correlation_1x", "correlation_2x", "correlation_4x", "correlation_8x",
    "correlation_1y", "correlation_2y", "correlation_4y", "correlation_8y",
    "spectrum_0", "spectrum_1", "spectrum_2", "spectrum_3",
    "spectrum_4", "spectrum_5", "spectrum_6", "spectrum_7",
};
const std::vector<std::string> kLevels = {
    "level_0", "level_1", "level_2", "level_3", "level_4", "level_5", "level_6", "level_7",
    "level_8", "level_9", "level_10", "level_11", "level_12", "level_13", "level_14", "level_15",
    "darkest", "brightest",
};
// clang-format on

std::uint64_t image_statistics(const Image& image, float* statistics, float* cells) {
    thread_local Scratch buffers;
    const simd::ImageScratch& scratch = buffers.prepare(image.width);
    simd::ImageSums sums;
    std::memset(&sums, 0, sizeof sums);
    sums.hash = image.height * 0x9e3779b97f4a7c15ULL + image.width * 4 + image.channels;
    simd::active().image_sums(image, scratch, sums);

    const std::int64_t n = sums.colour_rows * static_cast<std::int64_t>(image.width);
    const double width = real(image.width);
    Cells mean, sd;
    cell_moments(sums, image.width, mean, sd);
    Writer out(statistics);
    const double total_sd = moments(sums, real(n), out);
    distribution(sums, n, out);
    gradients(sums.scales[0], width, out);
    sharpness(sums.scales[0], width, total_sd, out);
    noise(sums, out);
    out.put(mean_of(sd));
    out.put(sd_of(sd));
    out.put(sd_of(mean));
    patterns(sums, width, out);
    scales(sums, image.width, out);
    chroma(sums, image.channels == 1, real(n), out);
    banding(image, sums, scratch, out);
    layout(mean, sd, out);
    const Grid grid = reduced(image, sums);
    correlations(grid, out);
    spectrum(grid, out);
    levels(sums, n, out);
    std::copy(mean.begin(), mean.end(), cells);
    std::copy(sd.begin(), sd.end(), cells + kCellCount);
    return sums.hash;
}

}  // namespace eg
