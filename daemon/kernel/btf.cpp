// SPDX-License-Identifier: Apache-2.0
#include "kernel/btf.h"

#include <bpf/btf.h>
#include <unistd.h>

namespace disarmd {

namespace {

constexpr std::uint32_t bits_per_byte = 8;

std::optional<std::uint32_t> find_member(const btf* types, const btf_type* structure,
                                         std::string_view member) {
    const btf_member* members = btf_members(structure);
    for (std::uint32_t i = 0; i < btf_vlen(structure); ++i) {
        const std::string_view name = btf__name_by_offset(types, members[i].name_off);
        const std::uint32_t offset = btf_member_bit_offset(structure, i) / bits_per_byte;
        if (name == member)
            return offset;
        const btf_type* inner = btf__type_by_id(types, members[i].type);
        if (name.empty() && btf_is_composite(inner)) {
            if (const auto below = find_member(types, inner, member))
                return offset + *below;
        }
    }
    return std::nullopt;
}

// In one pass: libbpf's own search by name is one for each name.
std::set<std::string> names_among(const btf* types, std::uint32_t kind, std::string_view prefix,
                                  const std::set<std::string>& names) {
    std::set<std::string> found;
    const __u32 count = btf__type_cnt(types);
    for (__u32 id = 1; id < count; ++id) {
        const btf_type* type = btf__type_by_id(types, id);
        if (btf_kind(type) != kind)
            continue;
        std::string_view name = btf__name_by_offset(types, type->name_off);
        if (!name.starts_with(prefix))
            continue;
        name.remove_prefix(prefix.size());
        if (const auto wanted = names.find(std::string(name)); wanted != names.end())
            found.insert(*wanted);
    }
    return found;
}

} // namespace

void KernelBtf::Free::operator()(btf* types) const {
    btf__free(types);
}

Result<KernelBtf> KernelBtf::load() {
    if (::access(vmlinux_btf_path, R_OK) != 0)
        return fail({errno, std::string("this kernel has no BTF type information (") + vmlinux_btf_path +
                                "): one built with CONFIG_DEBUG_INFO_BTF=y is needed"});
    btf* types = btf__parse(vmlinux_btf_path, nullptr);
    if (types == nullptr)
        return fail(Error::from_errno(std::string("reading ") + vmlinux_btf_path));
    return KernelBtf(types);
}

std::optional<std::uint32_t> KernelBtf::array_length(const std::string& variable) const {
    const int id = btf__find_by_name_kind(types_.get(), variable.c_str(), BTF_KIND_VAR);
    if (id < 0)
        return std::nullopt;
    const btf_type* type =
        btf__type_by_id(types_.get(), btf__type_by_id(types_.get(), static_cast<__u32>(id))->type);
    if (!btf_is_array(type))
        return std::nullopt;
    return btf_array(type)->nelems;
}

std::optional<std::uint32_t> KernelBtf::member_offset(const std::string& structure,
                                                      const std::string& member) const {
    const int id = btf__find_by_name_kind(types_.get(), structure.c_str(), BTF_KIND_STRUCT);
    if (id < 0)
        return std::nullopt;
    return find_member(types_.get(), btf__type_by_id(types_.get(), static_cast<__u32>(id)), member);
}

std::optional<std::uint64_t> KernelBtf::size_of(const std::string& structure) const {
    const int id = btf__find_by_name_kind(types_.get(), structure.c_str(), BTF_KIND_STRUCT);
    if (id < 0)
        return std::nullopt;
    return btf__type_by_id(types_.get(), static_cast<__u32>(id))->size;
}

std::set<std::string> KernelBtf::functions_among(const std::set<std::string>& names) const {
    return names_among(types_.get(), BTF_KIND_FUNC, "", names);
}

std::set<std::string> KernelBtf::tracepoints_among(const std::set<std::string>& events) const {
    // include/trace/bpf_probe.h names the type of an event's probes so.
    return names_among(types_.get(), BTF_KIND_TYPEDEF, "btf_trace_", events);
}

} // namespace disarmd
