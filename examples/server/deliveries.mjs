// deliveries.mjs: what this service is about: will a delivery come late? Its fields, as a schema for requests and as numbers for the network.

export const WEATHER = ['clear', 'rain', 'snow'];

/** JSON schema of what is known of a delivery beforehand. */
export const DELIVERY = {
  type: 'object',
  additionalProperties: false,
  required: ['distance', 'parcels', 'hour', 'traffic', 'weather'],
  properties: {
    distance: { type: 'number', minimum: 0, maximum: 1000, description: 'kilometers' },
    parcels: { type: 'integer', minimum: 1, maximum: 1000 },
    hour: { type: 'integer', minimum: 0, maximum: 23, description: 'when it leaves' },
    traffic: { type: 'number', minimum: 0, maximum: 1, description: '0: the road is empty, 1: it stands' },
    weather: { type: 'string', enum: WEATHER },
  },
};

/** And afterwards. */
export const LABELED = {
  ...DELIVERY,
  required: [...DELIVERY.required, 'late'],
  properties: { ...DELIVERY.properties, late: { type: 'boolean' } },
};

/** Numbers of a delivery. */
export const WIDTH = 8;

/** Rows as the network takes them: f32 [rows, WIDTH], of similar sizes whatever the unit. */
export function encode(rows) {
  const data = new Float32Array(rows.length * WIDTH);
  for (const [i, { distance, parcels, hour, traffic, weather }] of rows.entries()) {
    const angle = (2 * Math.PI * hour) / 24;
    const kind = WEATHER.map((name) => Number(name === weather));
    data.set(
      [Math.log1p(distance) - 2, Math.log1p(parcels) - 1, Math.sin(angle), Math.cos(angle), 2 * traffic - 1, ...kind],
      i * WIDTH,
    );
  }
  return { data, shape: [rows.length, WIDTH] };
}

export const labels = (rows) => Float32Array.from(rows, ({ late }) => Number(late));
