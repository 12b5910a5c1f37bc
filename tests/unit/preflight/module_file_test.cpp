// SPDX-License-Identifier: Apache-2.0
#include "preflight/module_file.h"

#include <cerrno>

#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include "builders.h"

namespace disarmd {
namespace {

using testing::HasSubstr;

unsigned char* bytes_of(std::string& text) {
    return reinterpret_cast<unsigned char*>(text.data());
}

std::string xz(std::string text) {
    std::string packed(::lzma_stream_buffer_bound(text.size()), '\0');
    std::size_t size = 0;
    EXPECT_EQ(::lzma_easy_buffer_encode(1, LZMA_CHECK_CRC32, nullptr, bytes_of(text), text.size(),
                                        bytes_of(packed), &size, packed.size()),
              LZMA_OK);
    packed.resize(size);
    return packed;
}

std::string zstd(std::string text) {
    std::string packed(::ZSTD_compressBound(text.size()), '\0');
    packed.resize(::ZSTD_compress(packed.data(), packed.size(), text.data(), text.size(), 1));
    return packed;
}

std::string gzip(std::string text) {
    z_stream stream{};
    constexpr int with_header = 16 + MAX_WBITS;
    EXPECT_EQ(::deflateInit2(&stream, 1, Z_DEFLATED, with_header, 8, Z_DEFAULT_STRATEGY), Z_OK);
    std::string packed(::deflateBound(&stream, text.size()), '\0');
    stream.next_in = bytes_of(text);
    stream.avail_in = static_cast<unsigned int>(text.size());
    stream.next_out = bytes_of(packed);
    stream.avail_out = static_cast<unsigned int>(packed.size());
    EXPECT_EQ(::deflate(&stream, Z_FINISH), Z_STREAM_END);
    packed.resize(stream.total_out);
    ::deflateEnd(&stream);
    return packed;
}

struct Packing {
    const char* name;
    std::string (*pack)(std::string);
};

class Packed : public testing::TestWithParam<Packing> {};

INSTANTIATE_TEST_SUITE_P(Module, Packed,
                         testing::Values(Packing{"xz", xz}, Packing{"zstd", zstd}, Packing{"gzip", gzip}),
                         [](const auto& test) { return test.param.name; });

TEST_P(Packed, is_unpacked_whatever_its_name) {
    const test::TemporaryFolder folder;
    std::string text;
    for (int i = 0; i < 200'000; ++i)
        text += std::to_string(i);
    for (const auto& content : {text, std::string(), std::string("x")}) {
        test::write_file(folder.file("m.ko"), GetParam().pack(content));
        const auto read = read_module_file(folder.file("m.ko"));
        ASSERT_TRUE(read) << read.error().text();
        EXPECT_EQ(*read, content);
    }
}

TEST_P(Packed, is_no_larger_than_the_limit) {
    const test::TemporaryFolder folder;
    constexpr std::size_t limit = 1 << 20;
    test::write_file(folder.file("fits"), GetParam().pack(std::string(limit, 'x')));
    EXPECT_TRUE(read_module_file(folder.file("fits"), limit));
    // Hundreds of times what it takes in the file.
    test::write_file(folder.file("bomb"), GetParam().pack(std::string(64 * limit, 'x')));
    const auto bomb = read_module_file(folder.file("bomb"), limit);
    ASSERT_FALSE(bomb);
    EXPECT_EQ(bomb.error().code(), EFBIG);
    EXPECT_THAT(bomb.error().text(), HasSubstr("larger than 1 MiB"));
}

TEST_P(Packed, is_refused_when_it_is_cut_short_or_damaged) {
    const test::TemporaryFolder folder;
    std::string text;
    for (int i = 0; i < 20'000; ++i)
        text += std::to_string(i * 7919);
    const auto packed = GetParam().pack(text);
    for (const std::size_t size : {packed.size() - 1, packed.size() / 2, std::size_t{8}}) {
        test::write_file(folder.file("part"), packed.substr(0, size));
        const auto part = read_module_file(folder.file("part"));
        ASSERT_FALSE(part) << size;
        EXPECT_EQ(part.error().code(), ENOEXEC);
        EXPECT_THAT(part.error().text(), HasSubstr(folder.file("part")));
    }
    for (std::size_t at = 6; at < packed.size(); at += 97) {
        auto damaged = packed;
        damaged[at] = static_cast<char>(~damaged[at]);
        test::write_file(folder.file("damaged"), damaged);
        const auto read = read_module_file(folder.file("damaged"));
        EXPECT_TRUE(!read || read->size() <= module_file_limit);
    }
}

TEST(ModuleFile, is_no_larger_than_the_limit) {
    const test::TemporaryFolder folder;
    test::write_file(folder.file("m.ko"), std::string(1001, 'x'));
    EXPECT_TRUE(read_module_file(folder.file("m.ko"), 1001));
    const auto read = read_module_file(folder.file("m.ko"), 1000);
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().code(), EFBIG);
}

TEST(FindModuleFile, takes_a_path_as_it_is) {
    for (const auto* const path : {"./m", "/m", "m.ko", "m.ko.xz", "m.ko.zst", "m.ko.gz"}) {
        const auto found = find_module_file(path);
        ASSERT_TRUE(found) << path;
        EXPECT_EQ(*found, path);
    }
}

TEST(FindModuleFile, says_where_it_looked_for_a_name) {
    const auto found = find_module_file("no-such-module");
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code(), ENOENT);
    EXPECT_THAT(found.error().text(), HasSubstr("no module no-such-module"));
}

} // namespace
} // namespace disarmd
