#pragma once
#include "models/host_device.hpp"

#include <cstdint>

namespace windtunnel {

/// What the elements of queries and of the KV cache are. e4m3 is the 8-bit format of the OCP specification
/// (OFP8, 2023): 4 exponent bits with bias 7, no infinities, 0x7f and 0xff are NaN, largest 448.
enum class FloatFormat : std::uint8_t { f16, bf16, e4m3 };

WT_HD constexpr int bytes_of(FloatFormat f) { return f == FloatFormat::e4m3 ? 1 : 2; }

namespace small_floats {

WT_HD inline std::uint32_t bits_of(float x) {
    union {
        float f;
        std::uint32_t u;
    } both;
    both.f = x;
    return both.u;
}
WT_HD inline float float_of(std::uint32_t u) {
    union {
        float f;
        std::uint32_t u;
    } both;
    both.u = u;
    return both.f;
}

/// Exact: every small float is a float.
WT_HD inline float from_bf16(std::uint32_t bits) { return float_of((bits & 0xffffu) << 16); }
WT_HD inline float from_f16(std::uint32_t bits) {
    const std::uint32_t sign = (bits & 0x8000u) << 16, exponent = (bits >> 10) & 31u, mantissa = bits & 1023u;
    if (exponent == 31) return float_of(sign | 0x7f800000u | (mantissa << 13));
    // Subnormals: mantissa * 2^-24 is exact in a float.
    if (exponent == 0) return (sign ? -1.0f : 1.0f) * static_cast<float>(mantissa) * 5.9604644775390625e-8f;
    return float_of(sign | ((exponent + 112) << 23) | (mantissa << 13));
}
WT_HD inline float from_e4m3(std::uint32_t bits) {
    const std::uint32_t exponent = (bits >> 3) & 15u, mantissa = bits & 7u;
    if ((bits & 0x7fu) == 0x7fu) return float_of(0x7fc00000u);
    const std::uint32_t sign = (bits & 0x80u) << 24;
    if (exponent == 0) return (sign ? -1.0f : 1.0f) * static_cast<float>(mantissa) * 0.001953125f;
    return float_of(sign | ((exponent + 120) << 23) | (mantissa << 20));
}

/// To nearest, ties to even; bf16 and f16 overflow to infinity, e4m3 saturates at 448 as vLLM's cache does.
WT_HD inline std::uint32_t to_bf16(float x) {
    const std::uint32_t u = bits_of(x);
    if ((u & 0x7fffffffu) > 0x7f800000u) return (u >> 16) | 64u;
    return (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;
}
/// Rounds a positive finite float to `mantissa_bits` below a smallest normal exponent of `least` (unbiased);
/// gives the format's bits with that exponent as 1.
WT_HD inline std::uint32_t rounded_magnitude(std::uint32_t u, int mantissa_bits, int least) {
    const int exponent = static_cast<int>(u >> 23) - 127;
    if (u < 0x00800000u) return 0;  // subnormal floats are below every small format's smallest half
    const std::uint32_t significand = (u & 0x7fffffu) | 0x800000u;
    const int below = exponent < least ? least - exponent : 0, shift = 23 - mantissa_bits + below;
    if (shift > 24) return 0;
    const std::uint32_t kept = significand >> shift, rest = significand & ((1u << shift) - 1),
                        half = 1u << (shift - 1);
    const std::uint32_t rounded = kept + (rest > half || (rest == half && (kept & 1u)) ? 1u : 0u);
    // `rounded` still holds the hidden bit of normal numbers, which carries into the exponent.
    return below > 0 ? rounded : rounded + (static_cast<std::uint32_t>(exponent - least) << mantissa_bits);
}
WT_HD inline std::uint32_t to_f16(float x) {
    const std::uint32_t u = bits_of(x), sign = (u >> 16) & 0x8000u, magnitude = u & 0x7fffffffu;
    if (magnitude > 0x7f800000u) return sign | 0x7e00u;
    if (magnitude >= 0x477ff000u) return sign | 0x7c00u;  // 65520 and more
    return sign | rounded_magnitude(magnitude, 10, -14);
}
WT_HD inline std::uint32_t to_e4m3(float x) {
    const std::uint32_t u = bits_of(x), sign = (u >> 24) & 0x80u, magnitude = u & 0x7fffffffu;
    if (magnitude > 0x7f800000u) return sign | 0x7fu;
    if (magnitude >= 0x43e00000u) return sign | 0x7eu;  // 448 and more
    const std::uint32_t rounded = rounded_magnitude(magnitude, 3, -6);
    return sign | (rounded > 0x7eu ? 0x7eu : rounded);
}

WT_HD inline float to_float(FloatFormat f, std::uint32_t bits) {
    return f == FloatFormat::f16    ? from_f16(bits)
           : f == FloatFormat::bf16 ? from_bf16(bits)
                                    : from_e4m3(bits);
}
WT_HD inline std::uint32_t from_float(FloatFormat f, float x) {
    return f == FloatFormat::f16 ? to_f16(x) : f == FloatFormat::bf16 ? to_bf16(x) : to_e4m3(x);
}

}  // namespace small_floats
}  // namespace windtunnel
