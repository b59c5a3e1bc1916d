#pragma once
#include "gpu/device_warp.hpp"
#include "gpu/prefill_walk.hpp"

namespace windtunnel {

/// The machine of PrefillWarp on a GPU. `shared` is the block's shared memory; places in it are offsets.
struct DevicePrefillWarp : DeviceWarp {
    std::uint32_t shared;

    /// Places are reckoned anew from here on: kept from step to step they would fill the registers.
    __device__ __forceinline__ void afresh() { asm volatile("" : "+r"(lane), "+r"(shared)); }
    __device__ static __forceinline__ void afresh(PerLane<std::uint32_t>& place) {
        asm volatile("" : "+r"(place.value));
    }

    /// 16 bytes past the registers and the L1 cache, or 16 zeros; there after await_copies.
    __device__ __forceinline__ void copy_later(std::uint32_t to, const std::byte* from, bool exists) const {
        asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16, %2;" ::"r"(shared + to),
                     "l"(__cvta_generic_to_global(from)), "r"(exists ? 16 : 0));
    }
    __device__ __forceinline__ void await_copies() const { asm volatile("cp.async.wait_all;" ::: "memory"); }

    __device__ __forceinline__ void store_shared(std::uint32_t to, const std::uint32_t* w) const {
        asm volatile("st.shared.v4.u32 [%0], {%1, %2, %3, %4};" ::"r"(shared + to), "r"(w[0]), "r"(w[1]),
                     "r"(w[2]), "r"(w[3])
                     : "memory");
    }
    __device__ __forceinline__ void store_word(std::uint32_t to, std::uint32_t w) const {
        asm volatile("st.shared.u32 [%0], %1;" ::"r"(shared + to), "r"(w) : "memory");
    }
    __device__ __forceinline__ std::uint32_t load_word(std::uint32_t from) const {
        std::uint32_t w;
        asm volatile("ld.shared.u32 %0, [%1];" : "=r"(w) : "r"(shared + from) : "memory");
        return w;
    }
    __device__ __forceinline__ void load_shared(std::uint32_t from, std::uint32_t* w) const {
        asm volatile("ld.shared.v4.u32 {%0, %1, %2, %3}, [%4];"
                     : "=r"(w[0]), "=r"(w[1]), "=r"(w[2]), "=r"(w[3])
                     : "r"(shared + from)
                     : "memory");
    }
    __device__ static __forceinline__ void store(void* to, const std::uint32_t* w) {
        *static_cast<uint4*>(to) = make_uint4(w[0], w[1], w[2], w[3]);
    }

    /// Four 8 x 8 matrices of 16 bits; at(lane) is where row lane % 8 of matrix lane / 8 lies.
    template <bool transposed, class F>
    __device__ __forceinline__ PerLane<FragmentA> load_matrices(F&& at) const {
        PerLane<FragmentA> out;
        std::uint32_t* const w = out.value.w;
        const std::uint32_t from = shared + at(lane);
        if constexpr (transposed)
            asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                         : "=r"(w[0]), "=r"(w[1]), "=r"(w[2]), "=r"(w[3])
                         : "r"(from));
        else
            asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                         : "=r"(w[0]), "=r"(w[1]), "=r"(w[2]), "=r"(w[3])
                         : "r"(from));
        return out;
    }
};

/// A thread's part of a block.
template <class Part>
struct DevicePrefillBlock {
    Part part;
    template <class F>
    __device__ __forceinline__ void each(F&& f) {
        f(part);
    }
    __device__ __forceinline__ int steps() const { return part.steps(); }
    __device__ __forceinline__ void meet() const { __syncthreads(); }
};

}  // namespace windtunnel
