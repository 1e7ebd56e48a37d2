// Spans made by hand with opentelemetry-js: an agent, a model call with an event, and a tool that fails.
import { SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { provider } from './tracing.mjs';

const tracer = trace.getTracer('shop.support', '1.2.3');

tracer.startActiveSpan('invoke_agent support', { attributes: { 'gen_ai.agent.name': 'support' } }, (agent) => {
  const model = tracer.startSpan('chat gpt-4o-mini', {
    kind: SpanKind.CLIENT,
    links: [{ context: agent.spanContext(), attributes: { why: 'asked' } }],
    attributes: {
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': 'openai',
      'gen_ai.request.model': 'gpt-4o-mini',
      'gen_ai.request.temperature': 0.5,
      'gen_ai.response.finish_reasons': ['stop'],
      'gen_ai.usage.input_tokens': 100,
      'gen_ai.usage.output_tokens': 10,
      'gen_ai.input.messages': JSON.stringify([{ role: 'user', parts: [{ type: 'text', content: 'Where is my order? 🚚' }] }]),
    },
  });
  model.addEvent('first chunk', { after_ms: 12 });
  model.end();
  const tool = tracer.startSpan('execute_tool track', { attributes: { 'gen_ai.tool.name': 'track' } });
  tool.recordException(new Error('no such order'));
  tool.setStatus({ code: SpanStatusCode.ERROR, message: 'no such order' });
  tool.end();
  agent.end();
});
await provider.shutdown();
