// SPDX-License-Identifier: Apache-2.0

import MeshModel
import Telemetry

/// What can be known about a block without unpacking it: enough to pass over nearly all blocks that a query does not want.
struct BlockSummary: Hashable, Sendable {
    /// Distinct words after which a summary stops collecting: every query then has to look into the block.
    static let mostTerms = 1024
    static let mostKinds = 64

    var oldest = EventTime(nanoseconds: .max)
    var newest = EventTime(nanoseconds: .min)
    /// `nil` when there are too many.
    var kinds: [String]? = []
    /// Hashes of names of programs, namespaces and pods, ascending; `nil` when there are too many.
    var terms: [UInt32]? = []
    var events: UInt64 = 0

    /// Looks at every event of a block and checks it.
    init(of plain: [UInt8]) throws(TelemetryFault) {
        self = try plain.withUnsafeBytes { bytes -> Result<BlockSummary, TelemetryFault> in
            do throws(TelemetryFault) { return .success(try BlockSummary(bytes)) } catch { return .failure(error) }
        }.get()
    }

    init() {}

    private init(_ bytes: UnsafeRawBufferPointer) throws(TelemetryFault) {
        var kindHashes: Set<UInt32> = []
        var collected: Set<UInt32> = []
        var names: [String] = []
        // Neighbours are mostly alike, and comparing bytes is faster than hashing them.
        var lastKind = 0..<0
        var lastBinary = 0..<0
        var lastPod = 0..<0
        func same(_ left: Range<Int>, _ right: Range<Int>) -> Bool { bytes[left].elementsEqual(bytes[right]) }
        var (oldest, newest, events) = (Int64.max, Int64.min, UInt64(0))
        try PackedEvents.forEach(in: bytes) { (outline) throws(TelemetryFault) in
            events += 1
            oldest = min(oldest, outline.time.nanoseconds)
            newest = max(newest, outline.time.nanoseconds)
            if !same(outline.kind, lastKind) {
                lastKind = outline.kind
                if kindHashes.insert(Term.hash(.kind, bytes[outline.kind])).inserted {
                    names.append(String(decoding: UnsafeRawBufferPointer(rebasing: bytes[outline.kind]), as: UTF8.self))
                }
            }
            if !outline.binary.isEmpty, !same(outline.binary, lastBinary) {
                lastBinary = outline.binary
                collected.insert(Term.hash(.program, Term.name(bytes, outline.binary)))
            }
            if !outline.pod.isEmpty, !same(outline.pod, lastPod) {
                lastPod = outline.pod
                collected.insert(Term.hash(.pod, bytes[outline.pod]))
            }
            if !outline.namespace.isEmpty { collected.insert(Term.hash(.namespace, bytes[outline.namespace])) }
            return true
        }
        self.events = events
        self.oldest = EventTime(nanoseconds: oldest)
        self.newest = EventTime(nanoseconds: newest)
        kinds = names.count > Self.mostKinds ? nil : names.sorted()
        terms = collected.count > Self.mostTerms ? nil : collected.sorted()
    }

    /// False when no event of the block can be what is asked for.
    func mayHold(_ query: TelemetryQuery) -> Bool {
        guard events > 0, newest >= query.since, oldest < query.until else { return false }
        if let kind = query.kind, let kinds, !kinds.contains(kind.text) { return false }
        guard let terms else { return true }
        func has(_ type: Term.Kind, _ word: [UInt8]?) -> Bool { word.map { terms.has(Term.hash(type, $0)) } ?? true }
        return has(.program, query.binary?.literalName) && has(.namespace, query.namespace?.literal) && has(.pod, query.pod?.literal)
    }
}

/// Words of an index as small numbers. Two words with one number cost a look into a block and never a wrong answer.
enum Term {
    enum Kind: UInt8 { case kind = 1, program, namespace, pod }

    /// FNV-1a.
    static func hash(_ kind: Kind, _ word: some Sequence<UInt8>) -> UInt32 {
        var value: UInt32 = (0x811c_9dc5 ^ UInt32(kind.rawValue)) &* 0x0100_0193
        for byte in word { value = (value ^ UInt32(byte)) &* 0x0100_0193 }
        return value
    }

    /// What follows the last slash of a path.
    static func name(_ bytes: UnsafeRawBufferPointer, _ path: Range<Int>) -> Slice<UnsafeRawBufferPointer> {
        var start = path.upperBound
        while start > path.lowerBound, bytes[start - 1] != UInt8(ascii: "/") { start -= 1 }
        return bytes[start..<path.upperBound]
    }
}

extension [UInt32] {
    /// Whether an ascending list has the value.
    fileprivate func has(_ value: UInt32) -> Bool {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if self[middle] < value { low = middle + 1 } else { high = middle }
        }
        return low < count && self[low] == value
    }
}
