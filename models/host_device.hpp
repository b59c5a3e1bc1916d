#pragma once
/// The one macro that lets a function run on host and device.
///
/// Every function of models/, policies/ and sim/ that a trial calls carries it. g++ sees nothing; nvcc
/// sees `__host__ __device__`, so the same header is the engine on both.
#if defined(__CUDACC__)
#define WT_HD __host__ __device__
#else
#define WT_HD
#endif

/// WT_HD for what is rarely called (the control plane, preemption): kept out of line, so that the hot loop stays
/// small in instructions on a CPU and in registers on a GPU.
#if defined(__CUDACC__)
#define WT_HD_COLD __host__ __device__ __noinline__
#else
#define WT_HD_COLD __attribute__((noinline))
#endif

/// WT_HD for what is large or has many callers: a real call on a GPU, where copies in every caller would cost
/// ptxas, whose time grows faster than a function, its minutes. g++ sees WT_HD and decides for itself.
#if defined(__CUDACC__)
#define WT_HD_CALL __host__ __device__ __noinline__
#else
#define WT_HD_CALL
#endif

/// WT_HD_CALL for what every step or request passes: on a CPU, where saving and restoring registers costs more than
/// some of it does, a part of its callers.
#if defined(__CUDACC__)
#define WT_HD_HOT __host__ __device__ __noinline__
#elif defined(__OPTIMIZE__)
#define WT_HD_HOT __attribute__((always_inline))
#else
#define WT_HD_HOT
#endif
