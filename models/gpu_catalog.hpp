#pragma once
#include "models/number_type.hpp"
#include "models/problem.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace windtunnel {

/// One way to slice a card (NVIDIA MIG): 8 memory slices, 7 compute slices.
struct MigProfile {
    std::string name;  ///< "1g.10gb"
    std::int64_t memory_bytes = 0;
    int multiprocessors = 0;
    int memory_slices = 0;   ///< of 8
    int compute_slices = 0;  ///< of 7
    int per_gpu = 0;         ///< how many instances one card gives at most
};

/// What one accelerator (or one MIG slice or fixed share of it) is. From models/data/gpus.json, which names the sources.
struct Gpu {
    std::string name;               ///< "h100-sxm-80gb"; "a100-sxm-80gb/1g.10gb" for a slice, "l4-24gb/mps-4" a share
    std::string vendor;             ///< "nvidia", "amd"
    std::string architecture;       ///< "sm90", "gfx942"
    std::int64_t memory_bytes = 0;  ///< total as the driver reports it to a program, not the marketing size
    double bytes_per_second = 0;    ///< memory bandwidth of the data sheet
    double fp16_flops = 0;          ///< dense matrix throughput per second; 0 = not supported
    double bf16_flops = 0;
    double fp8_flops = 0;
    double fp4_flops = 0;
    double int8_ops = 0;
    int multiprocessors = 0;
    int l2_mib = 0;
    int pcie_generation = 0;
    double link_bytes_per_second = 0;  ///< NVLink or Infinity Fabric, both directions; 0 = PCIe only
    std::vector<MigProfile> mig;       ///< empty for a slice and for cards that cannot be sliced
    std::string source;

    /// CUDA compute capability times ten (90 for sm90); 0 when not an NVIDIA card.
    [[nodiscard]] int compute_capability() const;
    /// Peak of matrix products whose weights are stored as `type`: weight-only types compute in 16 bits.
    [[nodiscard]] double flops(NumberType type) const;
};

struct ResolvedGpu {
    Gpu gpu;
    std::string note;  ///< what was assumed when the name alone did not say it; else empty
};

/// All cards of the catalogue, whole, in the order of the file.
[[nodiscard]] const std::vector<Gpu>& all_gpus();

/// The card of that name: a name of the catalogue, a name that node labels and clouds use ("nvidia-l4",
/// "NVIDIA-H100-80GB-HBM3", "A10G"), case ignored, with "/PROFILE" for a MIG slice, "/mps-N" for one of N fixed
/// shares (CUDA MPS: an Nth of the memory and of the compute each, kubernetes.md 8.3). An unknown name is a
/// problem that says the nearest ones.
[[nodiscard]] Result<ResolvedGpu> get_gpu(std::string_view name);

/// PCI Express, 16 lanes, one way, on the wire: 8 GT/s a lane for 3.0, twice as much with each generation (PCI-SIG).
[[nodiscard]] double pcie_bytes_per_second(const Gpu& gpu);
/// Of the fastest link between two of them in a node, one way: NVLink or the like, else PCI Express.
[[nodiscard]] double one_way_link_bytes_per_second(const Gpu& gpu);

}  // namespace windtunnel
