#pragma once
#include <cuda_runtime.h>

#include <algorithm>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <vector>

/// For nvcc's side only.
namespace windtunnel {

/// Throws where a call failed. CUDA remembers a failure until it is asked for: it is forgotten here, or the
/// launch after one that was caught (no memory for a point of a calibration) would be taken for a failure
/// too.
inline void check(cudaError_t status, const char* what = "CUDA") {
    if (status == cudaSuccess) return;
    cudaGetLastError();
    throw std::runtime_error(std::string(what) + ": " + cudaGetErrorString(status));
}

/// Memory of the device, filled from the host's or not.
class DeviceMemory {
public:
    explicit DeviceMemory(std::size_t bytes) {
        m_bytes = std::max<std::size_t>(bytes, 16);
        check(cudaMalloc(&m_at, m_bytes), "allocating");
    }
    template <class T>
    explicit DeviceMemory(const std::vector<T>& from) : DeviceMemory(from.size() * sizeof(T)) {
        check(cudaMemcpy(m_at, from.data(), from.size() * sizeof(T), cudaMemcpyHostToDevice),
              "copying to the GPU");
    }
    ~DeviceMemory() { cudaFree(m_at); }
    DeviceMemory(const DeviceMemory&) = delete;
    DeviceMemory& operator=(const DeviceMemory&) = delete;
    [[nodiscard]] std::size_t bytes() const { return m_bytes; }
    /// All bytes alike.
    void fill(int byte) const { check(cudaMemset(m_at, byte, m_bytes), "filling"); }
    template <class T>
    [[nodiscard]] T* as() const {
        return static_cast<T*>(m_at);
    }

private:
    void* m_at = nullptr;
    std::size_t m_bytes = 0;
};

}  // namespace windtunnel
