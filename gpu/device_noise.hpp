#pragma once
#include "gpu/device_memory.hpp"
#include "gpu/small_floats.hpp"

#include <cstdint>

/// For nvcc's side only.
namespace windtunnel {

/// About normal, mean 0 and deviation 1: the sum of a hash's four bytes, whose deviation is 147.8.
__device__ inline float noise_at(std::uint64_t i) {
    auto h = static_cast<std::uint32_t>(i) * 0x9e3779b9u ^ static_cast<std::uint32_t>(i >> 32) * 0x85ebca6bu;
    h ^= h >> 16, h *= 0x7feb352du, h ^= h >> 15, h *= 0x846ca68bu, h ^= h >> 16;
    const std::uint32_t sum = (h & 255u) + (h >> 8 & 255u) + (h >> 16 & 255u) + (h >> 24);
    return (static_cast<float>(sum) - 510.0f) / 147.8f;
}

template <FloatFormat format>
__global__ void noise_kernel(std::uint32_t* words, std::uint64_t n, float deviation) {
    constexpr int each = 4 / bytes_of(format), bits = 32 / each;
    const std::uint64_t step = std::uint64_t{gridDim.x} * blockDim.x;
    for (std::uint64_t i = std::uint64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < n; i += step) {
        std::uint32_t word = 0;
        for (int k = 0; k < each; ++k)
            word |= small_floats::from_float(format, deviation * noise_at(i * each + k)) << (k * bits);
        words[i] = word;
    }
}

/// Fills with noise. What is to be timed must look like what engines multiply: with all elements alike fewer
/// wires change, a GPU draws less power, and where power binds (large products) it then runs at a higher
/// clock.
inline void fill_with_noise(const DeviceMemory& memory, FloatFormat format, float deviation) {
    const std::uint64_t words = memory.bytes() / 4;
    if (words == 0) return;
    const auto blocks = static_cast<unsigned>(words / 256 + 1 < 8192 ? words / 256 + 1 : 8192);
    auto* const at = memory.as<std::uint32_t>();
    switch (format) {
        case FloatFormat::f16:
            noise_kernel<FloatFormat::f16><<<blocks, 256>>>(at, words, deviation);
            break;
        case FloatFormat::bf16:
            noise_kernel<FloatFormat::bf16><<<blocks, 256>>>(at, words, deviation);
            break;
        case FloatFormat::e4m3:
            noise_kernel<FloatFormat::e4m3><<<blocks, 256>>>(at, words, deviation);
            break;
    }
    check(cudaGetLastError(), "filling with noise");
}

}  // namespace windtunnel
