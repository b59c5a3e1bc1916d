#pragma once
#include "models/block_cache.hpp"
#include "models/run_list.hpp"
#include "models/server_config.hpp"

namespace windtunnel {

/// What the blocks of a sequence hold, one after the other: of its prompt what others may have too, then its
/// own. They stand in buckets: up to 64 that follow each other and end in one node of the prefix tree, or are
/// one sequence's own.
struct BlockChain {
    PromptPaths paths;
    std::uint32_t path = 0;
    std::uint32_t shareable = 0;  ///< blocks
    std::uint32_t number = 0;     ///< of the sequence

    static constexpr std::uint32_t bucket_blocks = 64;

    /// The node in which a block ends, or the number; which of both, the lowest bit of its place says.
    [[nodiscard]] WT_HD std::uint32_t owner(std::uint32_t block) const {
        return block < shareable ? paths.node(path, block) : number;
    }
    [[nodiscard]] WT_HD std::uint32_t place(std::uint32_t block) const {
        return block << 1 | (block < shareable ? 0 : 1);
    }
    [[nodiscard]] WT_HD static std::uint32_t bucket_of(std::uint32_t place) {
        return place & ~((bucket_blocks - 1) << 1);
    }
    /// Where the bucket of a block begins in this chain, and where it ends.
    [[nodiscard]] WT_HD std::uint32_t bucket_begin(std::uint32_t block) const {
        const std::uint32_t begin = block & ~(bucket_blocks - 1);
        const std::uint32_t least = block < shareable ? paths.node_begin(block) : shareable;
        return begin > least ? begin : least;
    }
    [[nodiscard]] WT_HD std::uint32_t bucket_end(std::uint32_t block) const {
        const std::uint32_t end = (block | (bucket_blocks - 1)) + 1;
        if (block >= shareable) return end;
        const std::uint32_t node_end = paths.node_end(block),
                            most = node_end < shareable ? node_end : shareable;
        return end < most ? end : most;
    }
};

/// What a GroupCache takes, for the largest of several engines: blocks of the pool, and groups of layers.
struct GroupCacheSizes {
    std::int64_t blocks = 0;
    std::int32_t groups = 0;
    WT_HD_COLD void grow(const ServerConfig& config) {
        if (!config.caches_by_block()) return;
        if (groups < config.groups()) groups = config.groups();
        if (blocks < config.usable_blocks) blocks = config.usable_blocks;
    }
};

/// The KV blocks of one vLLM engine with prefix caching whose layers stand in groups, some of which see a
/// window (vllm.md 2.2 to 2.8, 3.9). Exact to the block.
///
/// Every group takes a block for the same tokens. What a window has left goes back, is still found, and is
/// forgotten when it comes to the front of the free list; so what is cached of a chain is no beginning of it,
/// and a prompt may be computed again from where a window has a gap, while other groups have all of it.
/// Therefore runs (models/block_cache.hpp) are no tree here. A run is blocks of one bucket that follow each
/// other in a chain, that one job took and that the same jobs hold; free, they stand in the list as one, the
/// last in front. The table knows the runs of a bucket, of which those that overlap are copies and stand by
/// age: the oldest copy of a block is found.
///
/// Blocks that hold nothing that is found have no identity: taking some from the free list is to forget what
/// was in front.
///
/// Which runs a job holds needs no table. Those that it found were the oldest copies of what they hold, and
/// are as long as they are held: they are found again. Those that it took and that are found are a ring, by
/// what links a free run in its list: nobody but who took a run follows its links, and only while it holds
/// it. How many it took besides follows from what it has.
///
/// A job's JobBlocks mean here: `last` its number; `shared` the blocks that it has in each group, those that
/// windows have left included; `left` how many these are; `left_full` those that are found from now on;
/// `list` its place among the sequences.
template <class Layout>
class GroupCache {
public:
    static constexpr std::uint32_t none = 0xffffffffu;

    WT_HD_COLD void take_memory(Arena<Layout>& arena, const GroupCacheSizes& sizes, std::int64_t jobs) {
        m_jobs = static_cast<std::uint32_t>(jobs);
        m_holdings = arena.template take<std::uint32_t>(static_cast<std::size_t>(jobs * (1 + sizes.groups)));
        m_free_holdings = arena.template take<std::uint32_t>(static_cast<std::size_t>(jobs));
        m_runs.take_memory(arena, static_cast<std::size_t>(sizes.blocks));
        std::uint32_t slots = 16;
        while (slots < 2 * static_cast<std::uint64_t>(sizes.blocks)) slots *= 2;
        m_slots = arena.template take<std::uint32_t>(slots);
        m_slot_count = slots;
    }

    /// Empty: blocks that hold nothing.
    WT_HD_COLD void start(const ServerConfig& config) {
        m_full = static_cast<std::uint32_t>(config.full_groups);
        m_groups = static_cast<std::uint32_t>(config.groups());
        m_seen = static_cast<std::uint32_t>(config.blocks_for(config.window_tokens - 1));
        for (std::uint32_t i = 0; i < m_slot_count; ++i) m_slots[i] = none;
        for (std::uint32_t i = 0; i < m_jobs; ++i) m_free_holdings[i] = i;
        m_holdings_left = m_jobs;
        m_numbers = 0;
        m_runs.start();
        m_free = 0;
        free_nameless(static_cast<std::uint32_t>(config.usable_blocks));
    }
    [[nodiscard]] WT_HD std::int64_t free() const { return m_free; }

    // ---- finding blocks again ------------------------------------------------------------------------

    /// Of the first blocks of a chain those that are cached in every group; of the windowed ones a window at
    /// the end is enough (2.7, 2.8). A shorter hit of the full groups is a hit of theirs too, so one look at
    /// each will do.
    struct Cached {
        std::uint32_t blocks = 0;  ///< in each group
        std::uint32_t there = 0;   ///< in all of them together, less what windows do not see
        std::uint32_t held = 0;    ///< of these, those that somebody holds
    };
    [[nodiscard]] WT_HD_CALL Cached find(const BlockChain& chain, std::uint32_t limit) const {
        Walk walked{limit, 0};
        for (std::uint32_t g = 0; g < m_full; ++g) walked = walk(chain, g, 0, walked.end);
        Cached found;
        found.blocks = length_in_windows(chain, walked.end);
        const bool counted = m_full == 1 && found.blocks == walked.end;
        if (counted) found.held = walked.held;
        for (std::uint32_t g = counted ? m_full : 0; g < m_groups; ++g)
            found.held +=
                walk(chain, g, g < m_full ? 0 : found.blocks - seen_of(found.blocks), found.blocks).held;
        found.there = m_full * found.blocks + (m_groups - m_full) * seen_of(found.blocks);
        return found;
    }
    /// A job takes the first `blocks` of its chain, which were found.
    WT_HD_CALL void take(JobBlocks& job, const BlockChain& chain, std::uint32_t blocks) {
        job.list = m_free_holdings[--m_holdings_left];
        job.shared = job.left_full = blocks;
        job.left = blocks - seen_of(blocks);
        found(job) = blocks;
        for (std::uint32_t g = 0; g < m_groups; ++g) {
            tail(job, g) = none;
            for (std::uint32_t i = g < m_full ? 0 : job.left; i < blocks;) {
                const Copy copy = oldest(chain, i, g, blocks);
                std::uint32_t index = copy.run;
                if (begin_of(index) < i) (void)cut(index, i);
                if (end_of(index) > copy.end) index = cut(index, copy.end);
                if (m_runs[index].holders++ == 0) {
                    m_runs.unlink(index);
                    m_runs[index].next = none;
                    m_free -= m_runs[index].length;
                }
                i = copy.end;
            }
        }
    }
    [[nodiscard]] WT_HD std::uint32_t take_number() { return m_numbers++; }

    /// How many blocks may be taken, of `most`, before one is forgotten that belongs to the first `limit` of
    /// a chain.
    [[nodiscard]] WT_HD_COLD std::int64_t takes_before(const BlockChain& chain, std::uint32_t limit,
                                                       std::int64_t most) const {
        std::int64_t count = 0;
        for (std::uint32_t at = m_runs.first(); at != none && count < most; at = m_runs[at].next) {
            const Run& run = m_runs[at];
            const std::uint32_t i = run.place >> 1;
            if (run.group != none && i < limit && chain.place(i) == run.place &&
                chain.owner(i) == run.owner) {
                const std::uint32_t end =
                    i < chain.shareable && chain.shareable < limit ? chain.shareable : limit;
                return count + (i + run.length > end ? i + run.length - end : 0);
            }
            count += run.length;
        }
        return count;
    }

    /// The first of a job's blocks, from where its window begins to before `end`, that others hold too; or
    /// `end`.
    [[nodiscard]] WT_HD_CALL std::uint32_t first_shared(const JobBlocks& job, const BlockChain& chain,
                                                        std::uint32_t end) const {
        for (std::uint32_t g = m_full; g < m_groups; ++g) {
            for (std::uint32_t i = job.left; i < found(job) && i < end;) {
                const std::uint32_t index = oldest(chain, i, g, end).run;
                if (m_runs[index].holders > 1) end = i;
                i = end_of(index);
            }
            const std::uint32_t last = tail(job, g);
            for (std::uint32_t at = last; at != none;) {
                at = m_runs[at].next;
                if (begin_of(at) >= end) break;
                if (m_runs[at].holders > 1) end = begin_of(at);
                if (at == last) break;
            }
        }
        return end;
    }

    // ---- taking and freeing --------------------------------------------------------------------------

    /// Takes blocks from the front of the list, which forgets what they held.
    WT_HD_CALL void pop(std::int64_t blocks) {
        m_free -= blocks;
        while (blocks > 0) {
            const std::uint32_t index = m_runs.first();
            Run& run = m_runs[index];
            const std::int64_t taken = blocks < std::int64_t{run.length} ? blocks : std::int64_t{run.length};
            run.length -= static_cast<std::uint32_t>(taken);
            blocks -= taken;
            if (run.length > 0) return;
            if (run.group != none) forget(index);
            m_runs.unlink(index);
            m_runs.give_back(index);
        }
    }
    /// A job has `blocks` blocks in each group from now on, the new ones free ones, oldest first.
    WT_HD void extend(JobBlocks& job, std::uint32_t blocks) {
        pop(std::int64_t{blocks - job.shared} * m_groups);
        job.shared = blocks;
    }
    /// The first `full` of a job's blocks are found from now on.
    WT_HD_CALL void enter(JobBlocks& job, const BlockChain& chain, std::uint32_t full) {
        for (std::uint32_t g = 0; g < m_groups; ++g)
            for (std::uint32_t i = named(job, g), end = i; i < full; i = end) {
                end = chain.bucket_end(i);
                if (end > full) end = full;
                name(job, chain, g, i, end);
            }
        job.left_full = full;
    }
    /// A window has left the first `left` of a job's blocks, which are full: the last goes back first.
    WT_HD_CALL void leave(JobBlocks& job, const BlockChain& chain, std::uint32_t left) {
        for (std::uint32_t g = m_full; g < m_groups; ++g) {
            for (std::uint32_t end = left, begin = end, first = named(job, g); end > first; end = begin) {
                begin = chain.bucket_begin(end - 1);
                if (begin < first) begin = first;
                const std::uint32_t index = make(chain, g, begin, end);
                m_runs[index].holders = 1;
                let_go(index);
            }
            leave_ring(tail(job, g), left);
            for (std::uint32_t end = left < found(job) ? left : found(job); end > job.left;) {
                std::uint32_t index = oldest(chain, end - 1, g, end).run;
                if (end_of(index) > end) index = cut(index, end);
                end = begin_of(index);
                let_go(index);
            }
        }
        job.left = left;
    }
    /// A job frees all of its blocks, group by group, the last first. vLLM's groups stand in the order of
    /// their first layers, and in gpt-oss, Gemma and EXAONE that is a windowed one (general knowledge of
    /// 2025, not re-read).
    WT_HD_CALL void release(JobBlocks& job, const BlockChain& chain) {
        for (std::uint32_t n = 0; n < m_groups; ++n) {
            const std::uint32_t g = (m_full + n) % m_groups;
            free_nameless(job.shared - named(job, g));
            leave_ring(tail(job, g), none);
            for (std::uint32_t end = found(job); end > (g < m_full ? 0 : job.left);) {
                const std::uint32_t index = oldest(chain, end - 1, g, end).run;
                end = begin_of(index);
                let_go(index);
            }
        }
        m_free_holdings[m_holdings_left++] = job.list;
        job.list = none;
        job.shared = job.left = job.left_full = 0;
    }

private:
    struct Run {
        std::uint32_t owner, place;    ///< of its first block (BlockChain)
        std::uint32_t length;          ///< blocks
        std::uint32_t holders;         ///< jobs
        std::uint32_t group;           ///< `none` = nothing that is found
        std::uint32_t next, previous;  ///< in the free list, from its front, or in the ring of who took it;
                                       ///< next = `none` in neither
        std::uint32_t older, younger;  ///< a ring of those in its bucket
    };
    /// Blocks of a chain up to `end` of which one run has the oldest copies.
    struct Copy {
        std::uint32_t run = none, end = 0;
    };
    /// How far a chain is cached in a group, and how many of these blocks somebody holds.
    struct Walk {
        std::uint32_t end = 0, held = 0;
    };

    [[nodiscard]] WT_HD std::uint32_t seen_of(std::uint32_t blocks) const {
        return blocks < m_seen ? blocks : m_seen;
    }
    /// Of a job: how many of its blocks were found, and of those that it took and that others find the last
    /// run in a group.
    [[nodiscard]] WT_HD std::uint32_t& found(const JobBlocks& job) const {
        return m_holdings[std::size_t{job.list} * (1 + m_groups)];
    }
    [[nodiscard]] WT_HD std::uint32_t& tail(const JobBlocks& job, std::uint32_t group) const {
        return m_holdings[std::size_t{job.list} * (1 + m_groups) + 1 + group];
    }
    /// The first of its blocks in a group that nobody finds.
    [[nodiscard]] WT_HD std::uint32_t named(const JobBlocks& job, std::uint32_t group) const {
        return group >= m_full && job.left > job.left_full ? job.left : job.left_full;
    }
    [[nodiscard]] WT_HD std::uint32_t begin_of(std::uint32_t run) const { return m_runs[run].place >> 1; }
    [[nodiscard]] WT_HD std::uint32_t end_of(std::uint32_t run) const {
        return begin_of(run) + m_runs[run].length;
    }

    // ---- looking -------------------------------------------------------------------------------------

    /// The run with the oldest copy of a chain's block `i`, and up to where, at most `end`, it has the
    /// oldest.
    [[nodiscard]] WT_HD Copy oldest(const BlockChain& chain, std::uint32_t i, std::uint32_t group,
                                    std::uint32_t end) const {
        const std::uint32_t first = m_slots[slot_of(chain.owner(i), chain.place(i), group)];
        if (first == none) return {};
        if (i < chain.shareable && end > chain.shareable)
            end = chain.shareable;  // a run may go on with others' prompts
        std::uint32_t at = first;
        do {
            const std::uint32_t begin = begin_of(at), behind = end_of(at);
            if (begin <= i && i < behind) return {at, behind < end ? behind : end};
            if (begin > i && begin < end) end = begin;
            at = m_runs[at].younger;
        } while (at != first);
        return {};
    }
    [[nodiscard]] WT_HD Walk walk(const BlockChain& chain, std::uint32_t group, std::uint32_t from,
                                  std::uint32_t end) const {
        Walk walked{from, 0};
        while (walked.end < end) {
            const Copy copy = oldest(chain, walked.end, group, end);
            if (copy.run == none) break;
            if (m_runs[copy.run].holders > 0) walked.held += copy.end - walked.end;
            walked.end = copy.end;
        }
        return walked;
    }
    /// A block that is missing rules out every window that holds it; so windows are looked at from their
    /// beginnings.
    [[nodiscard]] WT_HD std::uint32_t length_in_windows(const BlockChain& chain, std::uint32_t most) const {
        const std::uint32_t window = m_seen > 0 ? m_seen : 1;
        for (std::uint32_t length = most;;) {
            std::uint32_t end = length;
            for (std::uint32_t g = m_full; g < m_groups; ++g)
                end = walk(chain, g, length > window ? length - window : 0, end).end;
            if (end == length) return length;
            length = end;
        }
    }

    // ---- runs ----------------------------------------------------------------------------------------

    /// A run of a chain's blocks, the youngest in its bucket, which nobody holds and is not in the free list.
    [[nodiscard]] WT_HD std::uint32_t make(const BlockChain& chain, std::uint32_t group, std::uint32_t begin,
                                           std::uint32_t end) {
        const std::uint32_t index = m_runs.take();
        Run& run = m_runs[index];
        run.owner = chain.owner(begin);
        run.place = chain.place(begin);
        run.length = end - begin;
        run.holders = 0;
        run.group = group;
        run.next = none;
        const std::uint32_t at = slot_of(run.owner, run.place, group);
        if (m_slots[at] == none) {
            m_slots[at] = run.older = run.younger = index;
            return index;
        }
        Run& first = m_runs[m_slots[at]];
        run.younger = m_slots[at];
        run.older = first.older;
        m_runs[first.older].younger = index;
        first.older = index;
        return index;
    }
    /// Blocks of one bucket that a job took are found from now on. They join its last run where that goes on
    /// to them, it alone holds it, and nothing else is in the bucket.
    WT_HD void name(JobBlocks& job, const BlockChain& chain, std::uint32_t group, std::uint32_t begin,
                    std::uint32_t end) {
        std::uint32_t& last = tail(job, group);
        if (last != none) {
            Run& run = m_runs[last];
            const std::uint32_t place = chain.place(begin);
            if (run.holders == 1 && run.older == last && run.place + 2 * run.length == place &&
                BlockChain::bucket_of(run.place) == BlockChain::bucket_of(place) &&
                run.owner == chain.owner(begin)) {
                run.length += end - begin;
                return;
            }
        }
        const std::uint32_t index = make(chain, group, begin, end);
        Run& run = m_runs[index];
        run.holders = 1;
        run.next = run.previous = index;
        if (last != none) {
            run.previous = last;
            run.next = m_runs[last].next;
            m_runs[run.next].previous = index;
            m_runs[last].next = index;
        }
        last = index;
    }
    /// Cuts a run before the `at`-th block of its chain. It remains the second part; the first is returned.
    WT_HD std::uint32_t cut(std::uint32_t second, std::uint32_t at) {
        const std::uint32_t first = m_runs.take();
        Run &head = m_runs[first], &rest = m_runs[second];
        head = rest;
        head.length = at - (rest.place >> 1);
        rest.length -= head.length;
        rest.place = at << 1 | (rest.place & 1);
        head.older = second;  // of the same age
        m_runs[head.younger].older = first;
        rest.younger = first;
        if (rest.holders == 0) {
            m_runs.insert_behind(second, first);  // it is taken after the second
        } else if (rest.next != none) {
            head.next = second;
            m_runs[rest.previous].next = first;
            rest.previous = first;
        }
        return first;
    }
    /// Who took the runs of a ring frees those of them before the `end`-th block, the last first.
    WT_HD void leave_ring(std::uint32_t& last, std::uint32_t end) {
        if (last == none) return;
        std::uint32_t at = last;
        if (end_of(last) > end) {
            at = m_runs[last].next;
            while (end_of(at) <= end) at = m_runs[at].next;
            if (begin_of(at) < end)
                at = cut(at, end);
            else
                at = m_runs[at].previous;
            if (at == last) return;  // the first begins behind
            const std::uint32_t begin = m_runs[last].next, rest = m_runs[at].next;
            m_runs[last].next = rest;
            m_runs[rest].previous = last;
            m_runs[begin].previous = none;
        } else {
            m_runs[m_runs[last].next].previous = none;
            last = none;
        }
        while (at != none) {
            const std::uint32_t before = m_runs[at].previous;
            m_runs[at].next = none;
            let_go(at);
            at = before;
        }
    }

    // ---- the free list -------------------------------------------------------------------------------

    WT_HD void let_go(std::uint32_t index) {
        if (--m_runs[index].holders > 0) return;
        m_runs.push_back(index);
        m_free += m_runs[index].length;
    }
    /// Frees blocks that hold nothing that is found.
    WT_HD void free_nameless(std::uint32_t blocks) {
        if (blocks == 0) return;
        m_free += blocks;
        if (m_runs.last() != none && m_runs[m_runs.last()].group == none) {
            m_runs[m_runs.last()].length += blocks;
            return;
        }
        const std::uint32_t index = m_runs.take();
        Run& run = m_runs[index];
        run.owner = run.place = run.holders = 0;
        run.group = none;
        run.length = blocks;
        m_runs.push_back(index);
    }

    // ---- the table -----------------------------------------------------------------------------------

    /// Nodes that follow each other in a prompt were often made one after the other: four of them, or of a
    /// sequence's own buckets, begin to look in the same 16 slots, a line of memory.
    [[nodiscard]] WT_HD std::uint32_t home_of(std::uint32_t owner, std::uint32_t bucket,
                                              std::uint32_t group) const {
        const std::uint32_t number = bucket / (2 * BlockChain::bucket_blocks), kind = bucket & 1;
        const std::uint64_t key =
            (std::uint64_t{owner / 4} << 32 | (number / 4) << 1 | kind) + (group / 2) * 0x2545f4914f6cdd1du;
        const auto line = static_cast<std::uint32_t>((key * 0x9e3779b97f4a7c15u) >> 32);
        const std::uint32_t inside = ((owner & 3) << 2 | (number & 3)) ^ (group & 1) << 1;
        return (line << 4 | inside) & (m_slot_count - 1);
    }
    /// Where the runs of a block's bucket are found, or would be.
    [[nodiscard]] WT_HD std::uint32_t slot_of(std::uint32_t owner, std::uint32_t place,
                                              std::uint32_t group) const {
        const std::uint32_t bucket = BlockChain::bucket_of(place);
        std::uint32_t at = home_of(owner, bucket, group);
        for (; m_slots[at] != none; at = (at + 1) & (m_slot_count - 1)) {
            const Run& run = m_runs[m_slots[at]];
            if (run.owner == owner && BlockChain::bucket_of(run.place) == bucket && run.group == group) break;
        }
        return at;
    }
    /// A run holds nothing any more.
    WT_HD void forget(std::uint32_t index) {
        const Run& run = m_runs[index];
        const std::uint32_t at = slot_of(run.owner, run.place, run.group);
        if (run.younger == index) return close_gap(at);
        if (m_slots[at] == index) m_slots[at] = run.younger;
        m_runs[run.older].younger = run.younger;
        m_runs[run.younger].older = run.older;
    }
    /// Linear probing without tombstones (Knuth, The Art of Computer Programming 3, 6.4, algorithm R).
    WT_HD void close_gap(std::uint32_t hole) {
        const std::uint32_t mask = m_slot_count - 1;
        for (std::uint32_t next = (hole + 1) & mask; m_slots[next] != none; next = (next + 1) & mask) {
            const Run& run = m_runs[m_slots[next]];
            if (((next - home_of(run.owner, BlockChain::bucket_of(run.place), run.group)) & mask) <
                ((next - hole) & mask))
                continue;
            m_slots[hole] = m_slots[next];
            hole = next;
        }
        m_slots[hole] = none;
    }

    RunList<Run, Layout> m_runs;
    ArenaArray<std::uint32_t, Layout> m_slots;          ///< open addressing: the oldest run of a bucket
    ArenaArray<std::uint32_t, Layout> m_holdings;       ///< [sequence][found, and the last run of each group]
    ArenaArray<std::uint32_t, Layout> m_free_holdings;  ///< those that nobody has
    std::uint32_t m_jobs = 0, m_holdings_left = 0, m_slot_count = 0;
    std::uint32_t m_full = 0, m_groups = 0;  ///< groups: of full attention, which come first, and all
    std::uint32_t m_seen = 0;                ///< blocks that a window reaches back from a block's border
    std::uint32_t m_numbers = 0;             ///< sequences that were admitted
    std::int64_t m_free = 0;
};

}  // namespace windtunnel
