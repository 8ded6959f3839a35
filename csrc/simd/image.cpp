// The walk over an image: every row is read once, used at full scale, and handed down a pyramid
// of three-row windows at 2x, 4x and 8x.
#include <string.h>

#include "level.hpp"

namespace eg::simd::EG_LEVEL {
namespace {

constexpr std::size_t kLine = 64;

struct Walk {
    const Image& image;
    const ImageScratch& scratch;
    ImageSums& sums;
    std::size_t padded;
    std::int64_t previous_row_sum = 0;
};

// Gradients, Laplacian and halving of the row y that has just arrived at a scale.
void advance(const Walk& walk, std::size_t scale, std::size_t y) {
    std::uint8_t* const* rows = walk.scratch.rows[scale];
    const std::size_t width = walk.image.width >> scale;
    const std::uint8_t *row = rows[y % 3], *above = rows[(y + 2) % 3], *top = rows[(y + 1) % 3];
    ScaleSums& sums = walk.sums.scales[scale];
    if (y >= 1) add_gradients(above, row, width, walk.scratch, sums);
    if (y >= 2) add_laplacian(top, above, row, width, walk.scratch, sums);
    if (y % 2 == 1 && scale + 1 < kScales) {
        halve(above, row, width, walk.scratch.rows[scale + 1][y / 2 % 3]);
        advance(walk, scale + 1, y / 2);
    }
}

// Four tables, so that equal neighbouring pixels do not wait for each other's count.
void add_histogram(const std::uint8_t* row, std::size_t width, std::uint32_t* tables) {
    std::size_t x = 0;
    for (; x + 8 <= width; x += 8) {
        std::uint64_t pixels;
        memcpy(&pixels, row + x, sizeof pixels);
        for (std::size_t i = 0; i < 8; ++i)
            ++tables[i % 4 * 256 + (pixels >> 8 * i & 255)];
    }
    for (; x < width; ++x) ++tables[row[x]];
}

void add_row_sum(Walk& walk, const std::uint8_t* row, std::size_t y) {
    const std::int64_t sum = sum_bytes(row, walk.scratch.zeros, walk.padded);
    const std::int64_t step = sum - walk.previous_row_sum;
    walk.sums.row_square += sum * sum;
    if (y > 0) walk.sums.row_step_square += step * step;
    walk.previous_row_sum = sum;
}

void add_columns(const Walk& walk, const std::uint8_t* row) {
    std::uint32_t* __restrict sum = walk.scratch.band_sum, * __restrict square =
                                                               walk.scratch.band_square;
    std::uint8_t* __restrict change = walk.scratch.column_change;
    for (std::size_t x = 0; x < walk.padded; ++x) {
        const std::uint32_t v = row[x];
        sum[x] += v;
        square[x] += v * v;
    }
    for (std::size_t x = 0; x < walk.padded; ++x)
        change[x] |= static_cast<std::uint8_t>(row[x] ^ row[x + 1]);
}

// Ends a row of parts: column sums become the sums of parts. Where the image has fewer rows or
// columns than the grid, some parts are empty.
void close_band(const Walk& walk, std::size_t band) {
    const ImageScratch& s = walk.scratch;
    for (std::size_t part = 0; part < kGrid; ++part) {
        const std::size_t end = (part + 1) * walk.image.width / kGrid;
        std::int64_t sum = 0, square = 0;
        for (std::size_t x = part * walk.image.width / kGrid; x < end; ++x) {
            sum += s.band_sum[x];
            square += s.band_square[x];
        }
        walk.sums.part_sum[band * kGrid + part] = sum;
        walk.sums.part_square[band * kGrid + part] = square;
    }
    for (std::size_t x = 0; x < walk.padded; ++x) {
        s.column_sum[x] += s.band_sum[x];
        s.band_sum[x] = s.band_square[x] = 0;
    }
}

void add_luma_row(Walk& walk, std::size_t y) {
    std::uint8_t* const* rows = walk.scratch.rows[0];
    const std::uint8_t *row = rows[y % 3], *above = rows[(y + 2) % 3], *top = rows[(y + 1) % 3];
    const std::size_t width = walk.image.width;
    add_histogram(row, width, walk.scratch.histograms);
    add_row_sum(walk, row, y);
    add_columns(walk, row);
    if (y >= 1) walk.sums.stuck_rows += memcmp(row, above, width) == 0;
    if (y >= 2) add_patterns(top, above, row, width, walk.scratch, walk.sums.lbp);
    if (y % 2 == 1) add_diagonals(above, row, width, walk.scratch, walk.sums.diagonals);
    advance(walk, 0, y);
}

}  // namespace

void image_sums(const Image& image, const ImageScratch& scratch, ImageSums& sums) {
    Walk walk = {image, scratch, sums, (image.width + kLine - 1) & ~(kLine - 1)};
    std::size_t band = 0;
    for (std::size_t y = 0; y < image.height; ++y) {
        load_row(image, y, scratch, scratch.rows[0][y % 3], sums);
        add_luma_row(walk, y);
        while (band < kGrid && (band + 1) * image.height / kGrid <= y) ++band;  // an empty one
        if (y + 1 == (band + 1) * image.height / kGrid) close_band(walk, band++);
    }
    for (std::size_t i = 0; i < 256; ++i) {
        const std::uint32_t* t = scratch.histograms + i;
        sums.histogram[i] = t[0] + t[256] + t[512] + t[768];
    }
}

}  // namespace eg::simd::EG_LEVEL
