// SPDX-License-Identifier: Apache-2.0

internal import CBpf
internal import CHostTrace
internal import Glibc
internal import MeshSystem

/// Brings the programs into the kernel, each by itself: the object is opened once for its maps, and once more for each program, which is then
/// loaded with those maps. A program that the kernel refuses so takes none with it.
final class ProgramLoader {
    /// Holds the maps as long as this value lives.
    private let maps: OpaquePointer
    private let given: trace_given
    private var links: [OpaquePointer] = []
    private(set) var running: [TraceProgram] = []
    private(set) var refused: [TraceRefusal] = []

    /// `ringBytes` is a power of two of at least a page.
    init(_ programs: [TraceProgram], scope: TraceScope, ringBytes: Int, object: [UInt8]) throws(HostTraceError) {
        let has = TracepointArguments()
        given = trace_given(
            only_netns: try scope.namespace(), exit_tells_end: has.count(of: "sched_process_exit") == 2 ? 1 : 0,
            resend_tells_error: has.count(of: "tcp_retransmit_skb") == 3 ? 1 : 0)
        maps = try Self.makeMaps(object, ringBytes)
        for program in programs {
            if let refusal = scope.refusal(of: program) {
                refused.append(refusal)
            } else if let helped = program.helped, !running.contains(helped) {
                refused.append(TraceRefusal(program: program, why: "without \(helped.tracepoint) it tells nothing"))
            } else {
                attach(program, object)
            }
        }
    }

    deinit {
        for link in links { bpf_link__destroy(link) }
        bpf_object__close(maps)
    }

    /// A map's descriptor, good as long as this value lives.
    func map(_ name: String) -> Int32 { bpf_object__find_map_fd_by_name(maps, name) }

    private static func makeMaps(_ object: [UInt8], _ ringBytes: Int) throws(HostTraceError) -> OpaquePointer {
        meshgate_bpf_quiet()
        guard let maps = open(object, only: nil) else { throw HostTraceError.noBPF(words(errno)) }
        if let ring = bpf_object__find_map_by_name(maps, "events") { bpf_map__set_max_entries(ring, UInt32(ringBytes)) }
        let code = bpf_object__load(maps)
        guard code == 0 else {
            let why = words(-code)
            bpf_object__close(maps)
            throw HostTraceError.noBPF(why)
        }
        return maps
    }

    private func attach(_ program: TraceProgram, _ object: [UInt8]) {
        guard let opened = Self.open(object, only: program) else { return refuse(program, errno) }
        // The link keeps the program and its maps; what libbpf knows besides is not needed again.
        defer { bpf_object__close(opened) }
        var map = bpf_object__next_map(opened, nil)
        while let own = map {
            // Maps that stand for a section of the object (.rodata) stay its own.
            if !bpf_map__is_internal(own), let name = bpf_map__name(own) {
                let code = bpf_map__reuse_fd(own, bpf_object__find_map_fd_by_name(maps, name))
                guard code == 0 else { return refuse(program, -code) }
            }
            map = bpf_object__next_map(opened, own)
        }
        var code = give(opened)
        if code == 0 { code = bpf_object__load(opened) }
        guard code == 0 else { return refuse(program, -code) }
        guard let function = bpf_object__find_program_by_name(opened, program.function), let link = bpf_program__attach(function) else {
            return refuse(program, errno)
        }
        links.append(link)
        running.append(program)
    }

    /// What stands in read-only data is taken over by the kernel when the program is loaded.
    private func give(_ opened: OpaquePointer) -> Int32 {
        guard let map = bpf_object__find_map_by_name(opened, ".rodata.given") else { return -ENOENT }
        return withUnsafeBytes(of: given) { bpf_map__set_initial_value(map, $0.baseAddress, $0.count) }
    }

    private func refuse(_ program: TraceProgram, _ number: Int32) {
        refused.append(TraceRefusal(program: program, why: Self.words(number)))
    }

    /// The object with every program but `only` left out.
    private static func open(_ object: [UInt8], only: TraceProgram?) -> OpaquePointer? {
        var options = bpf_object_open_opts()
        options.sz = MemoryLayout<bpf_object_open_opts>.size
        let opened = "meshgate".withCString { name in
            options.object_name = name
            return object.withUnsafeBytes { bpf_object__open_mem($0.baseAddress, $0.count, &options) }
        }
        guard let opened else { return nil }
        var program = bpf_object__next_program(opened, nil)
        while let own = program {
            let name = bpf_program__name(own).map { String(cString: $0) }
            bpf_program__set_autoload(own, name == only?.function)
            program = bpf_object__next_program(opened, own)
        }
        return opened
    }

    private static func words(_ number: Int32) -> String {
        let text = withUnsafeTemporaryAllocation(of: CChar.self, capacity: 4096) { room in
            guard let start = room.baseAddress else { return "" }
            meshgate_bpf_words(start, UInt(room.count))
            return String(cString: start)
        }
        return LoaderWords.reason(in: text, errno: number)
    }

    /// The object of bpf/trace.bpf.c, from the letters that the build put into `TraceObject`.
    static let object: [UInt8] = TraceObject.letters.withUTF8Buffer { letters in
        (0..<letters.count / 2).map { (letters[2 * $0] &- 97) << 4 | (letters[2 * $0 + 1] &- 97) }
    }
}

/// Finds in what libbpf said the one line that tells why.
enum LoaderWords {
    /// The verifier's last complaint, else libbpf's first one; behind it what the error number means.
    static func reason(in text: String, errno number: Int32) -> String {
        let lines = text.split(whereSeparator: \.isNewline).map(trimmed).filter { !$0.isEmpty }
        // What libbpf says of locked memory is no reason: kernels since 5.11 do not ask for it.
        let own = lines.filter { $0.hasPrefix("libbpf: ") && !$0.contains("RLIMIT_MEMLOCK") }.map { $0.dropFirst("libbpf: ".count) }
        // The first one is nearest to the cause; those behind it only say what failed in its wake.
        guard let line = verifier(lines) ?? own.first else { return hint(number) }
        return "\(line) (\(isWithheld(line) ? withheld : hint(number)))"
    }

    private static func verifier(_ lines: [Substring]) -> Substring? {
        guard let end = lines.lastIndex(where: { $0.contains("END PROG LOAD LOG") }) else { return nil }
        return lines[..<end].last { !$0.hasPrefix("processed ") && !$0.contains("PROG LOAD LOG") && !$0.hasPrefix("max_states") }
    }

    /// A kernel that is locked down has no word of its own for it: the function that reads its memory is then not there. (libbpf falls back
    /// to an older one, which is as little there.)
    private static func isWithheld(_ line: Substring) -> Bool {
        line.contains("bpf_probe_read") && (line.hasPrefix("unknown func ") || line.contains("cannot use helper "))
    }
    private static let withheld = "programs may not read this kernel's memory: it runs with lockdown=confidentiality"

    private static func hint(_ number: Int32) -> String {
        switch number {
        case EPERM: "not permitted: it needs CAP_BPF and CAP_PERFMON, which root has, and a kernel without lockdown=confidentiality"
        case ESRCH: "this kernel has no such tracepoint with BTF"
        case EACCES, EINVAL: "the kernel's verifier does not accept it"
        default: explain(number)
        }
    }

    private static func trimmed(_ line: Substring) -> Substring {
        let line = line.drop { $0 == " " || $0 == "\t" }
        guard let last = line.lastIndex(where: { $0 != " " && $0 != "\t" }) else { return "" }
        return line[...last]
    }
}
