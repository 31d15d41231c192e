// SPDX-License-Identifier: Apache-2.0

import MeshModel

extension TelemetryBatch {
    /// The batch as a protobuf message (TelemetryBatch in telemetry.proto).
    package var encoded: [UInt8] {
        var writer = ProtoWriter()
        writer.bytes.reserveCapacity(packed.count + 160)
        writer.block(1, stream.source.rawValue.utf8)
        writer.block(2, stream.boot.text.utf8)
        writer.fixed64(3, stream.instance)
        writer.number(4, first)
        for run in runs {
            writer.message(5) {
                switch run {
                case .events(let count): $0.number(1, count)
                case .lost(let count, let reason):
                    $0.number(2, count)
                    $0.block(3, reason.rawValue.utf8)
                }
            }
        }
        writer.number(6, UInt64(packing.rawValue))
        writer.number(7, plainBytes)
        writer.block(8, packed)
        return writer.bytes
    }

    /// Reads an encoded batch and refuses whatever breaks a rule. The events stay packed and are not looked at.
    package init(decoding bytes: [UInt8]) throws(TelemetryFault) {
        self = try bytes.withUnsafeBytes { buffer -> Result<TelemetryBatch, TelemetryFault> in
            do throws(TelemetryFault) { return .success(try Self.read(buffer)) } catch { return .failure(error) }
        }.get()
    }

    private static func read(_ bytes: UnsafeRawBufferPointer) throws(TelemetryFault) -> TelemetryBatch {
        var source: TelemetrySource?
        var boot: BootID?
        var (instance, first, plainBytes): (UInt64, UInt64, UInt64) = (0, 0, 0)
        var runs: [Run] = []
        var packing = Packing.plain
        var packed: [UInt8] = []
        var reader = ProtoReader(bytes, in: 0..<bytes.count, of: "a batch")
        while let field = try reader.next() {
            switch (field.id, field.type) {
            case (1, .block): source = TelemetrySource(rawValue: word(bytes, field.range))
            case (2, .block): boot = BootID(word(bytes, field.range))
            case (3, .fixed64): instance = field.number
            case (4, .varint): first = field.number
            case (5, .block):
                guard runs.count < BatchLimits.runs else { throw .badField("batch.runs", problem: "more than \(BatchLimits.runs)") }
                runs.append(try run(bytes, field.range))
            case (6, .varint):
                guard let number = UInt8(exactly: field.number), let known = Packing(rawValue: number) else {
                    throw .badField("batch.packing", problem: "a packing that this version does not know")
                }
                packing = known
            case (7, .varint): plainBytes = field.number
            case (8, .block):
                guard field.range.count <= BatchLimits.packedBytes else { throw .badField("batch.packed", problem: "too long") }
                packed = Array(bytes[field.range])
            default: break
            }
        }
        guard let source else { throw .badField("batch.source", problem: "a source that this version does not know") }
        guard let boot else { throw .badField("batch.boot", problem: "not \(BootID.grammar)") }
        let batch = TelemetryBatch(
            stream: TelemetryStream(source: source, boot: boot, instance: instance), first: first, runs: runs, packing: packing,
            packed: packed,
            plainBytes: plainBytes)
        try batch.check()
        return batch
    }

    private static func run(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>) throws(TelemetryFault) -> Run {
        var reader = ProtoReader(bytes, in: range, of: "a run")
        var (events, lost): (UInt64, UInt64) = (0, 0)
        var reason = LossReason.other
        while let field = try reader.next() {
            switch (field.id, field.type) {
            case (1, .varint): events = field.number
            case (2, .varint): lost = field.number
            case (3, .block): reason = LossReason(word: word(bytes, field.range))
            default: break
            }
        }
        guard (events == 0) != (lost == 0) else { throw .badField("batch.run", problem: "neither events nor losses, or both") }
        return events > 0 ? .events(events) : .lost(lost, reason)
    }

    /// Everything that later arithmetic relies on.
    private func check() throws(TelemetryFault) {
        guard first > 0, first < BatchLimits.lastNumber else { throw .badField("batch.first", problem: "no number of a stream") }
        guard !runs.isEmpty else { throw .badField("batch.runs", problem: "there are none") }
        var (next, events) = (first, UInt64(0))
        for run in runs {
            let (sum, overflow) = next.addingReportingOverflow(run.count)
            guard !overflow, sum <= BatchLimits.lastNumber else {
                throw .badField("batch.runs", problem: "beyond the last number of a stream")
            }
            next = sum
            if case .events(let count) = run { events &+= count }
            guard events <= BatchLimits.events else { throw .badField("batch.runs", problem: "more than \(BatchLimits.events) events") }
        }
        guard plainBytes <= UInt64(BatchLimits.plainBytes) else { throw .badField("batch.plain_bytes", problem: "too many") }
        guard packing == .gzip || plainBytes == UInt64(packed.count) else {
            throw .badField("batch.plain_bytes", problem: "not the packed ones")
        }
        guard (events == 0) == packed.isEmpty else { throw .badField("batch.packed", problem: "not the events that the runs tell of") }
    }

    private static func word(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>) -> String {
        String(decoding: UnsafeRawBufferPointer(rebasing: bytes[range].prefix(64)), as: UTF8.self)
    }
}
