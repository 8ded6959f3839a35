// What every binding does with the arrays it is given: check type, layout and size, or refuse them
// by name.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <optional>
#include <string>
#include <vector>

#include "kernels.hpp"

namespace eg::bindings {

namespace py = pybind11;
using namespace py::literals;

inline std::string shape_of(const py::array& array) {
    std::string text = "(";
    for (py::ssize_t i = 0; i < array.ndim(); ++i) text += std::to_string(array.shape(i)) + ", ";
    if (array.ndim() > 0) text.resize(text.size() - (array.ndim() > 1 ? 2 : 1));
    return text + ")";
}

[[noreturn]] inline void refuse(const std::string& name, const std::string& expected,
                         const py::array& got) {
    throw py::value_error(name + ": expected " + expected + ", got " +
                          py::cast<std::string>(py::str(got.dtype())) + " of shape " +
                          shape_of(got) +
                          ((got.flags() & py::array::c_style) != 0 ? "" : ", not C-contiguous"));
}

template <typename T>
bool plain(const py::array& array) {
    constexpr int kAligned = py::detail::npy_api::NPY_ARRAY_ALIGNED_;
    return py::isinstance<py::array_t<T>>(array) && (array.flags() & py::array::c_style) != 0 &&
           (array.flags() & kAligned) != 0;
}

template <typename T>
std::string plain_name() {
    return "C-contiguous " + py::cast<std::string>(py::str(py::dtype::of<T>()));
}

template <typename T>
const T* input(const py::array& array, const std::string& name, std::size_t size) {
    if (!plain<T>(array) || static_cast<std::size_t>(array.size()) != size) {
        refuse(name, plain_name<T>() + " with " + std::to_string(size) + " values", array);
    }
    return static_cast<const T*>(array.data());
}

template <typename T>
T* output(py::array& array, const std::string& name, std::size_t size) {
    input<T>(array, name, size);
    if (!array.writeable()) throw py::value_error(name + ": expected a writeable array");
    return static_cast<T*>(array.mutable_data());
}

template <typename T>
T* inout(const py::array& array, const std::string& name, std::size_t size) {
    py::array shared = array;
    return output<T>(shared, name, size);
}

template <typename T>
std::vector<T> vector_of(const std::optional<py::array>& array, const char* name) {
    if (!array || array->size() == 0) return {};
    if (!plain<T>(*array) || array->ndim() != 1) refuse(name, plain_name<T>() + " (n,)", *array);
    const T* values = static_cast<const T*>(array->data());
    return std::vector<T>(values, values + array->size());
}

inline eg::Matrix matrix_of(const std::optional<py::array>& array, const char* name) {
    if (!array || array->size() == 0) return {};
    if (!plain<float>(*array) || array->ndim() != 2) {
        refuse(name, plain_name<float>() + " (rows, columns)", *array);
    }
    const auto* values = static_cast<const float*>(array->data());
    return {{values, values + array->size()},
            static_cast<std::size_t>(array->shape(0)),
            static_cast<std::size_t>(array->shape(1))};
}

inline std::size_t at_least(py::ssize_t least, py::ssize_t value, const char* name) {
    if (value >= least) return static_cast<std::size_t>(value);
    throw py::value_error(std::string(name) + ": expected at least " + std::to_string(least) +
                          ", got " + std::to_string(value));
}

// Of any strides; refused unless it is a picture.
eg::Image image_of(const py::array& image);

// One a family of kernels.
void bind_image(py::module_& m);
void bind_scorer(py::module_& m);
void bind_drift(py::module_& m);

}  // namespace eg::bindings
