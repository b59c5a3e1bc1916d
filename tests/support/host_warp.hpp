#pragma once
#include "gpu/attention_walk.hpp"

#include <cmath>
#include <cstring>

namespace windtunnel {

/// The machine of AttentionWalk on the CPU, for tests: a warp of 32 lanes in lockstep, with the data movement
/// of the PTX instructions written out (PTX ISA 8.0). `moves_bits` converts e4m3 as GPUs before sm_89 must.
template <bool moves_bits>
struct HostWarp {
    template <class T>
    struct PerLane {
        T values[32];
        T& operator[](int lane) { return values[lane]; }
        const T& operator[](int lane) const { return values[lane]; }
    };

    template <class F>
    void each(F&& f) const {
        for (int lane = 0; lane < 32; ++lane) f(lane);
    }
    template <int bytes>
    static void load(const void* from, std::uint32_t* words) {
        std::memcpy(words, from, bytes);
    }

    static void store_quad(std::uint32_t* to, const std::uint32_t* w) { std::memcpy(to, w, 16); }
    static void load_quad(const std::uint32_t* from, std::uint32_t* w) { std::memcpy(w, from, 16); }
    void meet() const {}

    template <bool bf16>
    static float half_of(std::uint32_t word, int which) {
        const std::uint32_t bits = which == 0 ? word & 0xffffu : word >> 16;
        return bf16 ? small_floats::from_bf16(bits) : small_floats::from_f16(bits);
    }
    template <bool bf16, class C>
    void multiply(const PerLane<FragmentA>& a, const PerLane<FragmentB>& b, C&& into) const {
        float rows[16][16], columns[8][16];
        for (int lane = 0; lane < 32; ++lane) {
            const int g = lane / 4, t = lane % 4;
            for (int i = 0; i < 4; ++i)
                for (int h = 0; h < 2; ++h)
                    rows[g + 8 * (i % 2)][2 * t + 8 * (i / 2) + h] = half_of<bf16>(a[lane].w[i], h);
            for (int i = 0; i < 2; ++i)
                for (int h = 0; h < 2; ++h) columns[g][2 * t + 8 * i + h] = half_of<bf16>(b[lane].w[i], h);
        }
        for (int lane = 0; lane < 32; ++lane) {
            float* const c = into(lane);
            for (int i = 0; i < 4; ++i) {
                const float* const row = rows[lane / 4 + 8 * (i / 2)];
                const float* const column = columns[2 * (lane % 4) + i % 2];
                float sum = c[i];
                for (int k = 0; k < 16; ++k) sum += row[k] * column[k];
                c[i] = sum;
            }
        }
    }
    [[nodiscard]] PerLane<std::uint32_t> transpose(const PerLane<std::uint32_t>& rows) const {
        PerLane<std::uint32_t> out;
        for (int lane = 0; lane < 32; ++lane) {
            std::uint32_t word = 0;
            for (int h = 0; h < 2; ++h) {  // element (row, column) of the transposed matrix
                const int row = lane / 4, column = 2 * (lane % 4) + h;
                const std::uint32_t from = rows[column * 4 + row / 2];
                word |= ((from >> (row % 2 * 16)) & 0xffffu) << (h * 16);
            }
            out[lane] = word;
        }
        return out;
    }
    [[nodiscard]] PerLane<float> shuffle_xor(const PerLane<float>& v, int distance) const {
        PerLane<float> out;
        for (int lane = 0; lane < 32; ++lane) out[lane] = v[lane ^ distance];
        return out;
    }
    [[nodiscard]] std::int32_t broadcast(const PerLane<std::int32_t>& v, int from) const { return v[from]; }
    [[nodiscard]] bool any(const PerLane<bool>& v) const {
        bool out = false;
        for (int lane = 0; lane < 32; ++lane) out = out || v[lane];
        return out;
    }

    static float unit(FloatFormat format) {
        return moves_bits && format == FloatFormat::e4m3 ? 256.0f : 1.0f;
    }
    static std::uint32_t f16_of_e4m3(std::uint32_t bits) {
        if (moves_bits) return ((bits & 0x80u) << 8) | ((bits & 0x7fu) << 7);
        return small_floats::to_f16(small_floats::from_e4m3(bits));
    }
    static std::uint32_t f16_pair_of_low(std::uint32_t x) {
        return f16_of_e4m3(x & 0xffu) | f16_of_e4m3((x >> 8) & 0xffu) << 16;
    }
    static std::uint32_t f16_pair_of_high(std::uint32_t x) { return f16_pair_of_low(x >> 16); }
    static std::uint32_t f16_pair_of_bf16(std::uint32_t x) {
        return small_floats::to_f16(small_floats::from_bf16(x)) |
               small_floats::to_f16(small_floats::from_bf16(x >> 16)) << 16;
    }
    template <bool bf16>
    static std::uint32_t pack(float low, float high) {
        return bf16 ? small_floats::to_bf16(low) | small_floats::to_bf16(high) << 16
                    : small_floats::to_f16(low) | small_floats::to_f16(high) << 16;
    }
    static std::uint32_t round(FloatFormat format, float x) { return small_floats::from_float(format, x); }
    static std::uint32_t permute(std::uint32_t a, std::uint32_t b, std::uint32_t order) {
        const std::uint64_t both = a | static_cast<std::uint64_t>(b) << 32;
        std::uint32_t out = 0;
        for (int i = 0; i < 4; ++i)
            out |= static_cast<std::uint32_t>((both >> (8 * ((order >> (4 * i)) & 7u))) & 0xffu) << (8 * i);
        return out;
    }
    static float power_of_2(float x) { return std::exp2(x); }
    static float log_2(float x) { return std::log2(x); }
    static float reciprocal(float x) { return 1.0f / x; }
    static float larger(float a, float b) { return std::fmax(a, b); }
    static float multiply_add(float a, float b, float c) { return std::fma(a, b, c); }
};

}  // namespace windtunnel
