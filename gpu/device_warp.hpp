#pragma once
#if !defined(__CUDACC__)
#error "device_warp.hpp is for device code"
#endif
#include "gpu/attention_walk.hpp"

namespace windtunnel {

/// The machine of AttentionWalk on a GPU: each thread is one lane. Loads go past the L1 cache: only one warp
/// reads what they bring. sm_80 and later.
struct DeviceWarp {
    template <class T>
    struct PerLane {
        T value;
        __device__ __forceinline__ T& operator[](int) { return value; }
        __device__ __forceinline__ const T& operator[](int) const { return value; }
    };
    int lane;

    template <class F>
    __device__ __forceinline__ void each(F&& f) const {
        f(lane);
    }

    /// 4 to 32 bytes, aligned by as much (by 16 from 16 on). Volatile: loads stay ahead of the products that
    /// hide them.
    template <int bytes>
    __device__ static __forceinline__ void load(const void* from, std::uint32_t* w) {
        if constexpr (bytes == 32) {
            load<16>(from, w);
            load<16>(static_cast<const char*>(from) + 16, w + 4);
        } else if constexpr (bytes == 16) {
            asm volatile("ld.global.nc.L1::no_allocate.L2::128B.v4.u32 {%0, %1, %2, %3}, [%4];"
                         : "=r"(w[0]), "=r"(w[1]), "=r"(w[2]), "=r"(w[3])
                         : "l"(from));
        } else if constexpr (bytes == 8) {
            asm volatile("ld.global.nc.L1::no_allocate.v2.u32 {%0, %1}, [%2];"
                         : "=r"(w[0]), "=r"(w[1])
                         : "l"(from));
        } else {
            static_assert(bytes == 4);
            asm volatile("ld.global.nc.L1::no_allocate.u32 %0, [%1];" : "=r"(w[0]) : "l"(from));
        }
    }

    /// Four words in shared memory. Volatile, or the compiler would keep in registers what was put there to
    /// spare them.
    __device__ static __forceinline__ void store_quad(std::uint32_t* to, const std::uint32_t* w) {
        asm volatile("st.shared.v4.u32 [%0], {%1, %2, %3, %4};" ::"r"(
                         static_cast<std::uint32_t>(__cvta_generic_to_shared(to))),
                     "r"(w[0]), "r"(w[1]), "r"(w[2]), "r"(w[3]));
    }
    __device__ static __forceinline__ void load_quad(const std::uint32_t* from, std::uint32_t* w) {
        asm volatile("ld.shared.v4.u32 {%0, %1, %2, %3}, [%4];"
                     : "=r"(w[0]), "=r"(w[1]), "=r"(w[2]), "=r"(w[3])
                     : "r"(static_cast<std::uint32_t>(__cvta_generic_to_shared(from))));
    }
    __device__ __forceinline__ void meet() const { __syncwarp(); }

    template <bool bf16, class C>
    __device__ __forceinline__ void multiply(const PerLane<FragmentA>& a, const PerLane<FragmentB>& b,
                                             C&& into) const {
        float* const c = into(lane);
        const std::uint32_t* const x = a.value.w;
        const std::uint32_t* const y = b.value.w;
        if constexpr (bf16)
            asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
                "{%8, %9}, "
                "{%0, %1, %2, %3};"
                : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                : "r"(x[0]), "r"(x[1]), "r"(x[2]), "r"(x[3]), "r"(y[0]), "r"(y[1]));
        else
            asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, "
                "%9}, "
                "{%0, %1, %2, %3};"
                : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                : "r"(x[0]), "r"(x[1]), "r"(x[2]), "r"(x[3]), "r"(y[0]), "r"(y[1]));
    }
    __device__ __forceinline__ PerLane<std::uint32_t> transpose(const PerLane<std::uint32_t>& rows) const {
        PerLane<std::uint32_t> out;
        asm volatile("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;" : "=r"(out.value) : "r"(rows.value));
        return out;
    }
    __device__ __forceinline__ PerLane<float> shuffle_xor(const PerLane<float>& v, int distance) const {
        return {__shfl_xor_sync(0xffffffffu, v.value, distance)};
    }
    __device__ __forceinline__ std::int32_t broadcast(const PerLane<std::int32_t>& v, int from) const {
        return __shfl_sync(0xffffffffu, v.value, from);
    }
    __device__ __forceinline__ bool any(const PerLane<bool>& v) const {
        return __any_sync(0xffffffffu, v.value) != 0;
    }

    /// What a converted element must be multiplied by: without the instruction (before sm_89) bits are moved,
    /// which leaves the exponents' biases apart by 8.
    __device__ static __forceinline__ constexpr float unit(FloatFormat format) {
#if __CUDA_ARCH__ >= 890
        (void)format;
        return 1.0f;
#else
        return format == FloatFormat::e4m3 ? 256.0f : 1.0f;
#endif
    }
    __device__ static __forceinline__ std::uint32_t f16_pair_of_low(std::uint32_t x) {
        return f16_pair<0x1404u, false>(x);
    }
    __device__ static __forceinline__ std::uint32_t f16_pair_of_high(std::uint32_t x) {
        return f16_pair<0x3424u, true>(x);
    }
    template <std::uint32_t spread, bool high>
    __device__ static __forceinline__ std::uint32_t f16_pair(std::uint32_t x) {
#if __CUDA_ARCH__ >= 890
        std::uint32_t out;
        const auto two = static_cast<std::uint16_t>(high ? x >> 16 : x);
        asm("cvt.rn.f16x2.e4m3x2 %0, %1;" : "=r"(out) : "h"(two));
        return out;
#else
        const std::uint32_t s = __byte_perm(x, 0, spread);
        return (s & 0x80008000u) | ((s >> 1) & 0x3f803f80u);
#endif
    }
    __device__ static __forceinline__ std::uint32_t f16_pair_of_bf16(std::uint32_t x) {
        return pack<false>(__uint_as_float(x << 16), __uint_as_float(x & 0xffff0000u));
    }
    template <bool bf16>
    __device__ static __forceinline__ std::uint32_t pack(float low, float high) {
        std::uint32_t out;
        if constexpr (bf16)
            asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(out) : "f"(high), "f"(low));
        else
            asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(out) : "f"(high), "f"(low));
        return out;
    }
    __device__ static __forceinline__ std::uint32_t round(FloatFormat format, float x) {
        return format == FloatFormat::bf16 ? pack<true>(x, 0.0f) & 0xffffu : pack<false>(x, 0.0f) & 0xffffu;
    }
    __device__ static __forceinline__ std::uint32_t permute(std::uint32_t a, std::uint32_t b,
                                                            std::uint32_t order) {
        return __byte_perm(a, b, order);
    }
    __device__ static __forceinline__ float power_of_2(float x) {
        float out;
        asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(out) : "f"(x));
        return out;
    }
    __device__ static __forceinline__ float log_2(float x) {
        float out;
        asm("lg2.approx.ftz.f32 %0, %1;" : "=f"(out) : "f"(x));
        return out;
    }
    __device__ static __forceinline__ float reciprocal(float x) {
        float out;
        asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(out) : "f"(x));
        return out;
    }
    __device__ static __forceinline__ float larger(float a, float b) { return fmaxf(a, b); }
    __device__ static __forceinline__ float multiply_add(float a, float b, float c) {
        return __fmaf_rn(a, b, c);
    }
};

}  // namespace windtunnel
