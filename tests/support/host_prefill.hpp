#pragma once
#include "gpu/prefill_walk.hpp"
#include "tests/support/host_warp.hpp"

#include <algorithm>
#include <memory>
#include <vector>

namespace windtunnel {

/// The machine of PrefillWarp on the CPU. A copy arrives as late as it may, when it is waited for, and until
/// then its place holds NaN: who reads too early, or what another still reads, gets NaN.
template <bool moves_bits>
struct HostPrefillWarp : HostWarp<moves_bits> {
    template <class T>
    using PerLane = typename HostWarp<moves_bits>::template PerLane<T>;
    struct Copy {
        std::uint32_t to;
        const std::byte* from;
        bool exists;
    };
    std::byte* shared = nullptr;
    std::shared_ptr<std::vector<Copy>> under_way = std::make_shared<std::vector<Copy>>();

    void afresh() {}
    static void afresh(PerLane<std::uint32_t>&) {}
    void copy_later(std::uint32_t to, const std::byte* from, bool exists) const {
        std::memset(shared + to, 0xff, 16);
        under_way->push_back({to, from, exists});
    }
    void await_copies() const {
        for (const Copy& c : *under_way) {
            if (c.exists)
                std::memcpy(shared + c.to, c.from, 16);
            else
                std::memset(shared + c.to, 0, 16);
        }
        under_way->clear();
    }
    void store_shared(std::uint32_t to, const std::uint32_t* w) const { std::memcpy(shared + to, w, 16); }
    void load_shared(std::uint32_t from, std::uint32_t* w) const { std::memcpy(w, shared + from, 16); }
    void store_word(std::uint32_t to, std::uint32_t w) const { std::memcpy(shared + to, &w, 4); }
    [[nodiscard]] std::uint32_t load_word(std::uint32_t from) const {
        std::uint32_t w = 0;
        std::memcpy(&w, shared + from, 4);
        return w;
    }
    static void store(void* to, const std::uint32_t* w) { std::memcpy(to, w, 16); }

    /// `ldmatrix.x4` (PTX ISA 8.0): of matrix i, lane l gets elements 2 (l % 4) and the next of row l / 4;
    /// transposed, of column l / 4.
    template <bool transposed, class F>
    [[nodiscard]] PerLane<FragmentA> load_matrices(F&& at) const {
        PerLane<FragmentA> out;
        const auto element = [&](int matrix, int row, int column) -> std::uint32_t {
            std::uint16_t bits = 0;
            std::memcpy(&bits, shared + at(matrix * 8 + row) + column * 2, 2);
            return bits;
        };
        for (int lane = 0; lane < 32; ++lane)
            for (int i = 0; i < 4; ++i) {
                const int a = lane / 4, b = lane % 4 * 2;
                out[lane].w[i] = transposed ? element(i, b, a) | element(i, b + 1, a) << 16
                                            : element(i, a, b) | element(i, a, b + 1) << 16;
            }
        return out;
    }
};

namespace lab {

/// A block on the CPU: between two barriers its warps come one after the other, in one order or the other.
template <class Part>
struct HostPrefillBlock {
    std::vector<Part> parts;
    bool last_first = false;
    template <class F>
    void each(F&& f) {
        for (std::size_t i = 0; i < parts.size(); ++i) f(parts[last_first ? parts.size() - 1 - i : i]);
    }
    [[nodiscard]] int steps() const { return parts.front().steps(); }
    void meet() const {}
};

template <class Machine, class Kind>
void run_prefill_on_host(const AttentionArgs& args, const AttentionItem& item, int kv_head, bool last_first) {
    std::vector<std::byte> shared(static_cast<std::size_t>(Kind::shared_bytes), std::byte{0xff});
    HostPrefillBlock<PrefillWarp<Machine, Kind>> block;
    block.last_first = last_first;
    block.parts.reserve(attention_warps);
    for (int warp = 0; warp < attention_warps; ++warp) {
        Machine machine;
        machine.shared = shared.data();
        block.parts.emplace_back(machine, args, warp);
    }
    run_prefill(block, item, kv_head);
}

}  // namespace lab
}  // namespace windtunnel
