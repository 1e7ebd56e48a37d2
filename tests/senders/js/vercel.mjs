// A program on Vercel's AI SDK: a tool call, a stream, an object, embeddings and a model that does not exist.
// Written so that majors 4 to 7 of the SDK run it: where they differ, what each wants is given, and the others ignore it.
import * as ai from 'ai';
import { createAnthropic } from '@ai-sdk/anthropic';
import { createOpenAI } from '@ai-sdk/openai';
import { trace } from '@opentelemetry/api';
import { provider } from './tracing.mjs';

const openai = createOpenAI({ baseURL: process.env.OPENAI_BASE_URL, apiKey: 'none', compatibility: 'strict' });
const model = openai.chat('gpt-4o-mini');
const claude = createAnthropic({ baseURL: `${process.env.ANTHROPIC_BASE_URL}/v1`, apiKey: 'none' })('claude-haiku-4-5');
const embedder = (openai.textEmbeddingModel ?? openai.embeddingModel)('text-embedding-3-small');

const identity = { sessionId: 'session-7', userId: 'ann', tags: ['beta', 'web'], plan: 'pro' };
if (process.env.AI_TELEMETRY) {
  // From major 7 on telemetry is a package of its own, with the GenAI conventions or the earlier attributes.
  const otel = await import('@ai-sdk/otel');
  ai.registerTelemetry(
    process.env.AI_TELEMETRY === 'legacy'
      ? new otel.LegacyOpenTelemetry()
      : new otel.OpenTelemetry({ runtimeContext: true, embedding: true, usage: true }),
  );
}
const called = (functionId) => {
  const telemetry = { isEnabled: true, functionId, metadata: identity, includeRuntimeContext: Object.fromEntries(Object.keys(identity).map((key) => [key, true])) };
  return { experimental_telemetry: telemetry, runtimeContext: identity, maxRetries: 0 };
};

const order = ai.jsonSchema({ type: 'object', properties: { order_id: { type: 'string' } }, required: ['order_id'], additionalProperties: false });
const tools = {
  track_order: { description: 'Find an order', parameters: order, inputSchema: order, execute: async () => ({ state: 'on its way' }) },
};
const steps = { maxSteps: 3, ...(ai.stepCountIs && { stopWhen: ai.stepCountIs(3) }) };

await ai.generateText({ model, system: 'Be brief.', prompt: 'Where is my order A-7?', tools, ...steps, ...called('support') });

const streamed = ai.streamText({ model, messages: [{ role: 'user', content: 'Say it again' }], ...called('streamer') });
for await (const _ of streamed.textStream);

const schema = ai.jsonSchema({ type: 'object', properties: { order_id: { type: 'string' } }, required: ['order_id'], additionalProperties: false });
await ai.generateObject({ model, schema, prompt: 'Which order, as JSON?', ...called('extractor') });

await ai.generateText({ model: claude, prompt: 'Where is my order A-7?', ...called('cached') });

await ai.embed({ model: embedder, value: 'order A-7', ...called('indexer') });
await ai.embedMany({ model: embedder, values: ['order A-7', 'order B-8'], ...called('indexer') });

await trace.getTracer('shop').startActiveSpan('handle request', async (request) => {
  await ai.generateText({ model: openai.chat('gpt-nonexistent'), prompt: 'Fail', ...called('failing') }).catch(() => {});
  request.end();
});
await provider.shutdown();
