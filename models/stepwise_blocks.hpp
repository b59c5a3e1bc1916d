#pragma once
#include "models/server_config.hpp"

#include <algorithm>
#include <cstddef>
#include <list>
#include <map>
#include <tuple>
#include <utility>
#include <vector>

namespace windtunnel {

/// The KV manager of the stepwise reference: every block by itself, as vllm.md has it in section 2, clause by
/// clause. Host only.
class StepwiseBlocks {
public:
    /// What a full block holds: a chain up to its end. Of the part that others may have: (node, block); of a
    /// sequence's own: (its arrival's number above all nodes, block).
    using Content = std::pair<std::uint64_t, std::int64_t>;
    /// A sequence's blocks, for each group of layers; `null` for those that a window has left (2.7).
    using Tables = std::vector<std::vector<std::size_t>>;
    static constexpr std::size_t null = static_cast<std::size_t>(-1);

    void start(const ServerConfig& config) {
        m_config = &config;
        m_blocks.assign(static_cast<std::size_t>(config.usable_blocks), {});
        m_free.clear();
        for (std::size_t i = 0; i < m_blocks.size(); ++i) m_free.push_back(i);
        m_cached.clear();
    }
    void reconfigure(const ServerConfig& config) { m_config = &config; }
    [[nodiscard]] std::int64_t free() const { return std::ssize(m_free); }
    [[nodiscard]] std::int64_t blocks_for(std::int64_t tokens) const {
        return (tokens + m_config->block_size - 1) / m_config->block_size;
    }

    /// 2.4, 2.7, 2.8: of the first `most` blocks of a sequence those that are cached, in every group.
    /// `content(i)` is what its block i holds.
    template <class ContentOf>
    [[nodiscard]] Tables find(std::int64_t most, const ContentOf& content) const {
        std::int64_t length = m_config->prefix_caching ? most : 0;
        for (std::int64_t before = -1; length != before;) {  // 2.8
            before = length;
            std::int64_t run = 0;
            while (run < length && is_cached(content(run), 0, m_config->full_groups)) ++run;
            length = length_in_windows(run, content);
        }
        const auto own = [&](const Content& c) { return c.first >> 32 != 0; };
        if (m_config->drops_last_hit && length > 0 && !own(content(length - 1))) --length;
        Tables found(static_cast<std::size_t>(m_config->groups()));
        for (std::int32_t g = 0; g < m_config->groups(); ++g)
            for (std::int64_t i = 0; i < length; ++i) {
                const bool seen = g < m_config->full_groups || i >= length - blocks_of_window();
                found[static_cast<std::size_t>(g)].push_back(seen ? m_cached.at({g, content(i)}).front()
                                                                  : null);
            }
        return found;
    }
    /// How many of these blocks somebody holds.
    [[nodiscard]] std::int64_t held(const Tables& tables) const {
        std::int64_t count = 0;
        for (const auto& table : tables)
            count += std::count_if(table.begin(), table.end(),
                                   [&](std::size_t b) { return b != null && m_blocks[b].holders > 0; });
        return count;
    }
    /// 2.5: a sequence has what it found.
    void touch(const Tables& tables) {
        for (const auto& table : tables)
            for (const std::size_t index : table)
                if (index != null && m_blocks[index].holders++ == 0) m_free.erase(m_blocks[index].place);
    }
    /// 2.5: all or nothing, for `end` tokens of which `computed` are computed.
    [[nodiscard]] bool try_extend(Tables& tables, std::int64_t computed, std::int64_t end) {
        tables.resize(static_cast<std::size_t>(m_config->groups()));
        leave_windows(tables, computed);
        std::int64_t need = 0;
        for (const auto& table : tables)
            need += std::max<std::int64_t>(blocks_for(end) - std::ssize(table), 0);
        if (need > free()) return false;
        for (auto& table : tables)
            while (std::ssize(table) < blocks_for(end)) table.push_back(pop());
        return true;
    }
    /// Block `i` of a sequence is full: others find it.
    void enter(const Tables& tables, std::int64_t i, const Content& content) {
        for (std::int32_t g = 0; g < m_config->groups(); ++g) {
            const std::size_t index = tables[static_cast<std::size_t>(g)][static_cast<std::size_t>(i)];
            if (index == null) continue;
            m_blocks[index].hashed = true;
            m_blocks[index].key = {g, content};
            m_cached[{g, content}].push_back(index);
        }
    }
    /// 2.3: the last first, one group after the other, those with a window before the others.
    void release(Tables& tables) {
        if (tables.empty()) return;
        std::rotate(tables.begin(), tables.begin() + m_config->full_groups, tables.end());
        for (auto& table : tables)
            for (; !table.empty(); table.pop_back())
                if (table.back() != null) free_block(table.back());
    }

private:
    using Key = std::pair<std::int32_t, Content>;  ///< blocks of another group hold something else
    struct Block {
        std::int64_t holders = 0;
        bool hashed = false;
        Key key{};
        std::list<std::size_t>::iterator place{};  ///< in the free list
    };

    /// In every group from `first` to before `end`.
    [[nodiscard]] bool is_cached(const Content& content, std::int32_t first, std::int32_t end) const {
        for (std::int32_t g = first; g < end; ++g)
            if (!m_cached.contains({g, content})) return false;
        return true;
    }
    [[nodiscard]] std::int64_t blocks_of_window() const { return blocks_for(m_config->window_tokens - 1); }
    /// 2.7: a hit of at most `most` blocks that has a window of cached blocks at its end, or all of them from
    /// the first.
    template <class ContentOf>
    [[nodiscard]] std::int64_t length_in_windows(std::int64_t most, const ContentOf& content) const {
        if (m_config->window_groups == 0) return most;
        std::int64_t run = 0;
        for (std::int64_t i = most - 1; i >= 0; --i) {
            run = is_cached(content(i), m_config->full_groups, m_config->groups()) ? run + 1 : 0;
            if (run > 0 && run >= blocks_of_window()) return i + run;
        }
        return run;
    }
    /// 2.2: the front of the free list, which forgets what it held.
    std::size_t pop() {
        const std::size_t index = m_free.front();
        m_free.pop_front();
        Block& block = m_blocks[index];
        if (block.hashed) {
            auto copies = m_cached.find(block.key);
            std::erase(copies->second, index);
            if (copies->second.empty()) m_cached.erase(copies);
            block.hashed = false;
        }
        block.holders = 1;
        return index;
    }
    void free_block(std::size_t index) {
        Block& block = m_blocks[index];
        if (--block.holders == 0) block.place = m_free.insert(m_free.end(), index);
    }
    /// 2.7: blocks wholly left of the window, the last first.
    void leave_windows(Tables& tables, std::int64_t computed) {
        const std::int64_t left =
            std::max<std::int64_t>(computed - m_config->window_tokens + 1, 0) / m_config->block_size;
        for (std::size_t g = static_cast<std::size_t>(m_config->full_groups); g < tables.size(); ++g)
            for (std::int64_t i = left; i-- > 0;) {
                std::size_t& block = tables[g][static_cast<std::size_t>(i)];
                if (block != null) free_block(block);
                block = null;
            }
    }

    const ServerConfig* m_config = nullptr;
    std::vector<Block> m_blocks;                       ///< of the KV pool
    std::list<std::size_t> m_free;                     ///< the front is taken next
    std::map<Key, std::vector<std::size_t>> m_cached;  ///< copies, the oldest first
};

}  // namespace windtunnel
