// SPDX-License-Identifier: Apache-2.0

internal import CBpf
internal import Glibc

/// A map that has a value for each CPU, as the kernel hands it out: values rounded up to eight bytes, one after the other.
struct PerCPUMap<Key: BitwiseCopyable, Value: BitwiseCopyable> {
    private let descriptor: Int32
    private let name: String
    private let cpus: Int
    private var stride: Int { (MemoryLayout<Value>.size + 7) & ~7 }

    init(_ descriptor: Int32, _ name: String, _ cpus: Int) {
        self.descriptor = descriptor
        self.name = name
        self.cpus = cpus
    }

    /// A key's values, one for each CPU; `nil` when the map has no such key.
    func values(of key: Key) throws(HostTraceError) -> [Value]? {
        var key = key
        let room = UnsafeMutableRawBufferPointer.allocate(byteCount: stride * cpus, alignment: 8)
        defer { room.deallocate() }
        let code = bpf_map_lookup_elem(descriptor, &key, room.baseAddress)
        guard code == 0 else {
            if code == -ENOENT { return nil }
            throw HostTraceError.map(name, errno: -code)
        }
        return (0..<cpus).map { room.loadUnaligned(fromByteOffset: $0 * stride, as: Value.self) }
    }

    /// All keys with their values. Keys that come meanwhile may be missed until next time; the maps have at most some hundred.
    func entries() throws(HostTraceError) -> [(Key, [Value])] {
        var entries: [(Key, [Value])] = []
        let keys = UnsafeMutablePointer<Key>.allocate(capacity: 2)
        defer { keys.deallocate() }
        var code = bpf_map_get_next_key(descriptor, nil, keys)
        // A key that is removed while we walk makes the walk begin again; nothing removes keys here, and it has an end all the same.
        while code == 0, entries.count < 65_536 {
            if let values = try values(of: keys[0]) { entries.append((keys[0], values)) }
            code = bpf_map_get_next_key(descriptor, keys, keys + 1)
            keys[0] = keys[1]
        }
        guard code == 0 || code == -ENOENT else { throw HostTraceError.map(name, errno: -code) }
        return entries
    }
}
