# Compiles for 64-bit ARM with Debian's cross compiler; PYTHON_FOR_ARM is arm_python.sh's folder.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
# Debian's pyconfig.h includes <aarch64-linux-gnu/python3.x/pyconfig.h>.
include_directories(SYSTEM $ENV{PYTHON_FOR_ARM}/usr/include)
