#include "gpu/batch_waves.hpp"
#include "gpu/device_memory.hpp"
#include "sim/lane_engine.hpp"

#include <cuda_runtime.h>

namespace windtunnel {

void replay_on_cuda(const BatchPlan& plan) {
    std::size_t free = 0, total = 0;
    check(cudaMemGetInfo(&free, &total), "asking for the device's memory");
    try {
        run_waves(plan, plan.memory > 0 ? plan.memory : free / 5 * 4);
    } catch (const thrust::system_error& e) {
        throw std::runtime_error(std::string("running trials on the GPU: ") + e.what());
    }
}

DeviceAnswer ask_device() {
    int devices = 0;
    if (const cudaError_t status = cudaGetDeviceCount(&devices); status != cudaSuccess)
        return {true, false, cudaGetErrorString(status)};
    if (devices == 0) return {true, false, "there is none"};
    cudaDeviceProp properties{};
    if (const cudaError_t status = cudaGetDeviceProperties(&properties, 0); status != cudaSuccess)
        return {true, false, cudaGetErrorString(status)};
    return {true, true,
            std::string(properties.name) + ", " + std::to_string(properties.totalGlobalMem >> 20) +
                " MiB, sm_" + std::to_string(properties.major) + std::to_string(properties.minor)};
}

}  // namespace windtunnel
