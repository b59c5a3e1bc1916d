#include "gpu/batch_waves.hpp"

namespace windtunnel {

void replay_on_threads(const BatchPlan& plan) {
    constexpr std::size_t a_gibibyte = std::size_t{1} << 30;
    run_waves(plan, plan.memory > 0 ? plan.memory : a_gibibyte);
}

#if !defined(WINDTUNNEL_HAS_CUDA)
DeviceAnswer ask_device() { return {false, false, "this program was built without device code"}; }
#endif

}  // namespace windtunnel
