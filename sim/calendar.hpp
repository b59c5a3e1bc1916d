#pragma once
#include "models/time.hpp"
#include "sim/least_tree.hpp"

#include <cstdint>

namespace windtunnel {

/// When each component next changes by itself, over a fixed number of slots. The earliest slot wins; at one tick the
/// lower slot does, so that what happens first is a matter of the slots' order (see sim/trial.hpp, "ranks") and not an
/// accident of a heap.
template <class Layout>
class Calendar {
public:
    WT_HD void take_memory(Arena<Layout>& arena, std::uint32_t slots) { m_times.take_memory(arena, slots); }
    WT_HD void clear() { m_times.fill(key_of(never)); }
    /// Requires a time that is not before t = 0.
    WT_HD void set(std::uint32_t slot, Tick time) { m_times.set(slot, key_of(time)); }
    [[nodiscard]] WT_HD Tick time(std::uint32_t slot) const { return time_of(m_times[slot]); }
    [[nodiscard]] WT_HD std::uint32_t first() const { return m_times.place_of_least(); }
    [[nodiscard]] WT_HD Tick first_time() const { return time_of(m_times.least()); }

private:
    [[nodiscard]] WT_HD static std::uint64_t key_of(Tick time) { return static_cast<std::uint64_t>(time.count); }
    [[nodiscard]] WT_HD static Tick time_of(std::uint64_t key) { return {static_cast<std::int64_t>(key)}; }

    LeastTree<Layout> m_times;
};

}  // namespace windtunnel
