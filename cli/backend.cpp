#include "cli/backend.hpp"

#include "gpu/batch_replay.hpp"

namespace windtunnel {

namespace {

/// An H100 has 132 multiprocessors of four schedulers; below four warps for each half of them the cores are ahead.
constexpr std::uint32_t trials_for_a_gpu = 8192;

const DeviceAnswer& device() {
    static const DeviceAnswer answer = ask_device();
    return answer;
}

}  // namespace

Backend backend_for(const RunFlags& flags, std::uint32_t trials) {
#if defined(WINDTUNNEL_HAS_CUDA)
    const bool wanted = flags.backend == "cuda" || (flags.backend == "auto" && trials >= trials_for_a_gpu);
    if (wanted && flags.server == "fast" && device().answers) return {"cuda", &replay_on_cuda};
#else
    (void)flags;
    (void)trials;
    (void)trials_for_a_gpu;
#endif
    return {};
}

Problems problems_of_backend(const RunFlags& flags) {
    if (flags.backend != "cuda") return {};
    if (!device().built)
        return {{{},
                 "--backend",
                 "found cuda, but this program was built without device code, allowed: auto or cpu, or a build with `cmake "
                 "--preset cuda` where nvcc is"}};
    if (!device().answers)
        return {{{}, "--backend", "found cuda, but no GPU answers (" + device().words + "), allowed: auto or cpu"}};
    if (flags.server == "stepwise")
        return {{{}, "--backend", "found cuda beside --server stepwise, which runs on the CPU alone, allowed: cpu"}};
    return {};
}

}  // namespace windtunnel
