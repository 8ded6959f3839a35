// The walk over an image. Every row is compared with the one above. Of images with fewer than
// kSampledFrom rows all are hashed and measured, handed down a pyramid of three-row windows at 2x,
// 4x and 8x. Of larger ones,
//   hashed rows     every kHashStep-th
//   tone rows       every kToneStep-th: parts and columns; and, averaged over as many columns, the
//                   4x scale with all that follows from it
//   colour rows     every kColourStep-th of these: histogram and colours
//   texture bands   kTextureBand rows on end out of every kTextureBand * ceil(height /
//                   kTextureRows): gradients, patterns, blocks, steps from row to row; 1x and 2x
#include <string.h>

#include "level.hpp"

namespace eg::simd::EG_LEVEL {
namespace {

constexpr std::size_t kLine = 64;
constexpr std::size_t kToneScale = 2;  // 2^2 = kToneStep

struct Walk {
    const Image& image;
    const ImageScratch& scratch;
    ImageSums& sums;
    std::size_t padded;
    std::size_t hash_step;    // every so manieth row is hashed
    std::size_t tone_step;    // is a tone row
    std::size_t colour_step;  // of which every so manieth is a colour row
    std::size_t band;         // rows of a texture band
    std::size_t period;       // from band to band
    std::size_t band_scales;  // that are made of bands
    std::int64_t previous_row_sum = 0;
};

Walk walk_over(const Image& image, const ImageScratch& scratch, ImageSums& sums) {
    const std::size_t height = image.height;
    const std::size_t padded = (image.width + kLine - 1) & ~(kLine - 1);
    if (height < kSampledFrom) return {image, scratch, sums, padded, 1, 1, 1, height, height, kScales};
    const std::size_t period = kTextureBand * ((height + kTextureRows - 1) / kTextureRows);
    return {image,     scratch,     sums,         padded, kHashStep,
            kToneStep, kColourStep, kTextureBand, period, kToneScale};
}

// Gradients, Laplacian and halving of the row y that has just arrived at a scale.
void advance(const Walk& walk, std::size_t scale, std::size_t y, std::size_t scales) {
    std::uint8_t* const* rows = walk.scratch.rows[scale];
    const std::size_t width = walk.image.width >> scale;
    const std::uint8_t *row = rows[y % 3], *above = rows[(y + 2) % 3], *top = rows[(y + 1) % 3];
    ScaleSums& sums = walk.sums.scales[scale];
    if (y >= 1) {
        add_gradients(above, row, width, walk.scratch, sums);
        ++sums.gradient_rows;
    }
    if (y >= 2) {
        add_laplacian(top, above, row, width, walk.scratch, sums);
        ++sums.laplacian_rows;
    }
    if (y % 2 == 1 && scale + 1 < scales) {
        halve(above, row, width, walk.scratch.rows[scale + 1][y / 2 % 3]);
        advance(walk, scale + 1, y / 2, scales);
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

void add_row_step(Walk& walk, std::int64_t sum, bool first) {
    const std::int64_t step = sum - walk.previous_row_sum;
    walk.previous_row_sum = sum;
    if (first) return;
    walk.sums.row_step_square += step * step;
    ++walk.sums.row_steps;
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
void close_part(const Walk& walk, std::size_t row) {
    const ImageScratch& s = walk.scratch;
    for (std::size_t part = 0; part < kGrid; ++part) {
        const std::size_t end = (part + 1) * walk.image.width / kGrid;
        std::int64_t sum = 0, square = 0;
        for (std::size_t x = part * walk.image.width / kGrid; x < end; ++x) {
            sum += s.band_sum[x];
            square += s.band_square[x];
        }
        walk.sums.part_sum[row * kGrid + part] = sum;
        walk.sums.part_square[row * kGrid + part] = square;
    }
    for (std::size_t x = 0; x < walk.padded; ++x) {
        s.column_sum[x] += s.band_sum[x];
        s.band_sum[x] = s.band_square[x] = 0;
    }
}

// Row y of a tone lattice: `number` of its kind, its luma in `row`.
void add_tone_row(const Walk& walk, const std::uint8_t* row, std::size_t number) {
    add_columns(walk, row);
    ++walk.sums.tone_rows;
    const std::int64_t sum = sum_bytes(row, walk.scratch.zeros, walk.padded);
    walk.sums.row_square += sum * sum;
    if (walk.tone_step == 1) return;
    halve(row, row, walk.image.width, walk.scratch.half);
    halve(walk.scratch.half, walk.scratch.half, walk.image.width / 2,
          walk.scratch.rows[kToneScale][number % 3]);
    advance(walk, kToneScale, number, kScales);
}

// Row y of a texture band.
void add_texture_row(Walk& walk, std::size_t y) {
    std::uint8_t* const* rows = walk.scratch.rows[0];
    const std::uint8_t *row = rows[y % 3], *above = rows[(y + 2) % 3], *top = rows[(y + 1) % 3];
    const std::size_t width = walk.image.width;
    add_row_step(walk, sum_bytes(row, walk.scratch.zeros, walk.padded), y == 0);
    if (y >= 2) add_patterns(top, above, row, width, walk.scratch, walk.sums.lbp);
    if (y % 2 == 1) add_diagonals(above, row, width, walk.scratch, walk.sums.diagonals);
    advance(walk, 0, y, walk.band_scales);
}

bool in_a_band(const Walk& walk, std::size_t y) {
    return y % walk.period < walk.band && y - y % walk.period + walk.band <= walk.image.height;
}

void fetch(const Walk& walk, std::size_t y) {
    if (y >= walk.image.height) return;
    if (y % walk.hash_step == 0 || in_a_band(walk, y)) fetch_row(walk.image, y);
}

void add_row(Walk& walk, const std::uint8_t* raw, std::size_t y) {
    const std::size_t in_band = y % walk.period;
    const bool tone = y % walk.tone_step == 0;
    const bool texture = in_a_band(walk, y);
    std::uint8_t* luma = texture ? walk.scratch.rows[0][in_band % 3] : walk.scratch.single;
    if (y % (walk.tone_step * walk.colour_step) == 0) {
        load_colours(raw, walk.image, walk.scratch, luma, walk.sums);
        add_histogram(luma, walk.image.width, walk.scratch.histograms);
        ++walk.sums.colour_rows;
    } else if (tone || texture) {
        load_luma(raw, walk.image, walk.scratch, luma);
    }
    if (tone) add_tone_row(walk, luma, y / walk.tone_step);
    if (texture) add_texture_row(walk, in_band);
}

}  // namespace

void image_sums(const Image& image, const ImageScratch& scratch, ImageSums& sums) {
    Walk walk = walk_over(image, scratch, sums);
    begin_hash(sums.state);
    const std::size_t bytes = image.width * image.channels;
    const std::uint8_t* above = nullptr;
    std::size_t part = 0;
    for (std::size_t y = 0; y < image.height; ++y) {
        fetch(walk, y + 2);
        const std::uint8_t* raw = raw_row(image, y, scratch);
        if (y % walk.hash_step == 0) add_hash(raw, bytes, sums.state);
        if (y > 0) sums.stuck_rows += memcmp(raw, above, bytes) == 0;
        above = raw;
        while (part < kGrid && (part + 1) * image.height / kGrid <= y) ++part;  // an empty one
        const std::int64_t before = sums.tone_rows;
        add_row(walk, raw, y);
        if (part < kGrid) sums.part_rows[part] += sums.tone_rows - before;
        if (y + 1 == (part + 1) * image.height / kGrid) close_part(walk, part++);
    }
    sums.hash = end_hash(sums.state, sums.hash);
    for (std::size_t i = 0; i < 256; ++i) {
        const std::uint32_t* t = scratch.histograms + i;
        sums.histogram[i] = t[0] + t[256] + t[512] + t[768];
    }
}

}  // namespace eg::simd::EG_LEVEL
