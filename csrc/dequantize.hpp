// Stored values to real ones.
#pragma once

#include <cstddef>

#include "layout.hpp"

namespace eg {

template <typename Stored, typename Real>
void dequantize_as(const Tensor& tensor, const void* data, std::size_t n, Real* out) {
    const auto* values = static_cast<const Stored*>(data);
    for (std::size_t i = 0; i < n; ++i) {
        out[i] =
            static_cast<Real>((static_cast<double>(values[i]) - tensor.zero_point) * tensor.scale);
    }
}

// out[i] = (data[i] - zero_point) * scale, in float64.
template <typename Real>
void dequantize(const Tensor& tensor, const void* data, std::size_t n, Real* out) {
    switch (tensor.dtype) {
        case Dtype::float32:
            return dequantize_as<float>(tensor, data, n, out);
        case Dtype::int8:
            return dequantize_as<std::int8_t>(tensor, data, n, out);
        case Dtype::uint8:
            return dequantize_as<std::uint8_t>(tensor, data, n, out);
    }
}

}  // namespace eg
