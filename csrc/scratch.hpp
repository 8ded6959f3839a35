// The row buffers of image_statistics.
#pragma once

#include <cstddef>
#include <vector>

#include "simd/table.hpp"

namespace eg {

class Scratch {
public:
    // Buffers for images of `width` pixels: rows zero beyond it, accumulators zero. Valid until the
    // next call; allocates only when an image is wider than any before.
    const simd::ImageScratch& prepare(std::size_t width);

private:
    std::size_t width_ = 0;
    std::vector<unsigned char> memory_;
    simd::ImageScratch views_ = {};
};

}  // namespace eg
