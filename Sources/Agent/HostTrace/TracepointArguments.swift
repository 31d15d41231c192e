// SPDX-License-Identifier: Apache-2.0

internal import CBpf

/// How many arguments this kernel's tracepoints hand to a program, as its BTF says. A program could not ask for it itself: where a type is not in
/// the kernel's BTF libbpf looks into that of every module, which takes a right (CAP_SYS_ADMIN) that the tracer does not have.
struct TracepointArguments: ~Copyable {
    private let btf: OpaquePointer?

    /// Reads /sys/kernel/btf/vmlinux, which everybody may; without it nothing is known.
    init() { btf = btf__load_vmlinux_btf() }

    deinit { btf__free(btf) }

    /// `nil` for a tracepoint that is not known.
    func count(of tracepoint: String) -> Int? {
        guard let btf else { return nil }
        let id = btf__find_by_name_kind(btf, "btf_trace_" + tracepoint, UInt32(BTF_KIND_TYPEDEF))
        // typedef void (*btf_trace_NAME)(void *data, ARGUMENTS);
        guard id > 0, let name = btf__type_by_id(btf, UInt32(id)), let pointer = btf__type_by_id(btf, name.pointee.type),
            btf_is_ptr(pointer), let function = btf__type_by_id(btf, pointer.pointee.type), btf_is_func_proto(function)
        else { return nil }
        return max(0, Int(btf_vlen(function)) - 1)
    }
}
