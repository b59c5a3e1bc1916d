# Device code: what becomes of the .cu files of gpu/ (see gpu/README.md).
#   WINDTUNNEL_CUDA=OFF   nothing; trials run on the CPU
#   WINDTUNNEL_CUDA=AUTO  where an nvcc that knows C++20 is found they are compiled, so that they cannot
#                         rot unseen on a machine without a GPU, and not linked
#   WINDTUNNEL_CUDA=ON    they are compiled and linked, and Thrust is the toolkit's; nvcc is required
# Sets windtunnel_compiles_device_code and windtunnel_links_device_code.
set(windtunnel_compiles_device_code OFF)
set(windtunnel_links_device_code OFF)
file(GLOB device_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/gpu/*.cu)

if(NOT WINDTUNNEL_CUDA MATCHES "^(OFF|AUTO|ON)$")
    message(FATAL_ERROR "WINDTUNNEL_CUDA is '${WINDTUNNEL_CUDA}', allowed: OFF, AUTO, ON")
endif()
if(device_sources AND NOT WINDTUNNEL_CUDA STREQUAL OFF)
    find_program(WINDTUNNEL_NVCC nvcc HINTS ENV CUDA_PATH ENV CUDA_HOME PATHS /usr/local/cuda PATH_SUFFIXES bin)
    set(nvcc_version 0)
    if(WINDTUNNEL_NVCC)
        execute_process(COMMAND ${WINDTUNNEL_NVCC} --version OUTPUT_VARIABLE nvcc_says)
        if(nvcc_says MATCHES "release ([0-9.]+)")
            set(nvcc_version ${CMAKE_MATCH_1})
        endif()
    endif()
    if(nvcc_version VERSION_GREATER_EQUAL 12.0)
        set(windtunnel_compiles_device_code ON)
        if(WINDTUNNEL_CUDA STREQUAL ON)
            set(windtunnel_links_device_code ON)
        endif()
    elseif(WINDTUNNEL_CUDA STREQUAL ON)
        message(FATAL_ERROR "WINDTUNNEL_CUDA=ON needs nvcc 12.0 or later, found: ${WINDTUNNEL_NVCC} ${nvcc_version}")
    endif()
endif()

if(windtunnel_compiles_device_code)
    set(CMAKE_CUDA_COMPILER ${WINDTUNNEL_NVCC})
    set(CMAKE_CUDA_HOST_COMPILER ${CMAKE_CXX_COMPILER})
    # Machine code for Ampere and Hopper; PTX of the latter for what comes after; or what the configuration asks for
    # (-DCMAKE_CUDA_ARCHITECTURES=native: this machine's GPU, half the time). A compile that only proves that the code
    # compiles stops at PTX: turning that into machine code takes minutes more and rejects nothing.
    if(NOT windtunnel_links_device_code)
        set(CMAKE_CUDA_ARCHITECTURES 90-virtual)
    elseif(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
        set(CMAKE_CUDA_ARCHITECTURES 80-real 90)
    endif()
    set(CMAKE_CUDA_FLAGS_RELEASE -O3 CACHE STRING "As for C++: assertions stay on")
    enable_language(CUDA)
    # CMake 3.25 does not know that nvcc 12 and later speak C++20, and would pass a lower standard.
    if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)
        set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
        list(APPEND CMAKE_CUDA_COMPILE_FEATURES cuda_std_20)
    endif()
    set(CMAKE_CUDA_STANDARD 20)
endif()
