// The tracer provider of the senders: the stock SDK and exporters, configured by OpenTelemetry's own environment variables.
import { defaultResource, detectResources, envDetector } from '@opentelemetry/resources';
import { BatchSpanProcessor, NodeTracerProvider } from '@opentelemetry/sdk-trace-node';

const { OTLPTraceExporter } = await import(
  process.env.OTEL_EXPORTER_OTLP_PROTOCOL === 'http/json'
    ? '@opentelemetry/exporter-trace-otlp-http'
    : '@opentelemetry/exporter-trace-otlp-proto'
);

export const provider = new NodeTracerProvider({
  resource: defaultResource().merge(detectResources({ detectors: [envDetector] })),
  spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())],
});
provider.register();
