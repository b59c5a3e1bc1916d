#pragma once
#include <cstddef>
#include <istream>
#include <memory>
#include <string>
#include <string_view>

namespace windtunnel {

/// The bytes of a stream, decompressed on the way: plain, gzip (any number of members) or zstd (any number
/// of frames), told apart by their first bytes and never by a file name. Memory stays constant.
class ByteSource {
public:
    explicit ByteSource(std::istream& in);
    ~ByteSource();
    ByteSource(const ByteSource&) = delete;
    ByteSource& operator=(const ByteSource&) = delete;

    /// Writes up to `capacity` bytes to `into`, returns how many; 0 at the end or after a failure.
    [[nodiscard]] std::size_t read(char* into, std::size_t capacity);

    /// Empty, or what is wrong with the compressed data ("gzip data ends in the middle", ...).
    [[nodiscard]] const std::string& error() const;
    /// "plain", "gzip" or "zstd".
    [[nodiscard]] std::string_view encoding() const;

private:
    struct State;
    std::unique_ptr<State> m_state;
};

/// Compresses (or passes through) into a stream. `encoding` is "plain", "gzip" or "zstd".
class ByteSink {
public:
    ByteSink(std::ostream& out, std::string_view encoding);
    ~ByteSink();
    ByteSink(const ByteSink&) = delete;
    ByteSink& operator=(const ByteSink&) = delete;

    void write(std::string_view bytes);
    /// Ends the compressed data; call once, last. False when the stream refused anything.
    [[nodiscard]] bool finish();

private:
    struct State;
    std::unique_ptr<State> m_state;
};

}  // namespace windtunnel
