import type {
  CkanGroup,
  CkanLicense,
  CkanOrganization,
  CkanPackage,
  CkanResource,
  CkanTable,
} from '../ckan/ckan-dataset.ts';
import { createRandom, uuidFrom } from '../random.ts';
import { cycle, HARD_INTEGERS, HARD_TEXTS, naiveBefore, placeNear, times } from './builders.ts';

const CENTER = { lon: -99.1332, lat: 19.4326 };
const INTERNAL_HOST = 'http://10.80.148.134';
const LICENSE = 'CC-BY-4.0-ESP';
const SITE = 'https://datos.cdmx.gob.mx';

export const MEXICO_ORGANIZATIONS: readonly CkanOrganization[] = [
  {
    name: 'secretaria-de-movilidad',
    title: 'Secretaría de Movilidad (SEMOVI)',
    description:
      'Encargada de regular el desarrollo de la movilidad.\r\n\r\n[semovi.cdmx.gob.mx](https://www.semovi.cdmx.gob.mx/)',
  },
  { name: 'c5', title: 'Centro de Comando, Control, Cómputo, Comunicaciones y Contacto Ciudadano (C5)' },
  { name: 'fiscalia-general-de-justicia', title: 'Fiscalía General de Justicia' },
  { name: 'agencia-digital-de-innovacion-publica', title: 'Agencia Digital de Innovación Pública (ADIP)' },
  { name: 'sistema-de-aguas', title: 'Sistema de Aguas de la Ciudad de México' },
  { name: 'secretaria-del-medio-ambiente', title: 'Secretaría del Medio Ambiente (SEDEMA)' },
];

export const MEXICO_GROUPS: readonly CkanGroup[] = [
  { name: 'movilidad', title: 'Movilidad' },
  { name: 'justicia-y-seguridad', title: 'Justicia y seguridad' },
  { name: 'medio-ambiente', title: 'Medio ambiente' },
  { name: 'territorio', title: 'Territorio' },
  { name: 'salud', title: 'Salud' },
  { name: 'energia', title: 'Energía' },
];

/** A licence that is not in the register is the rule here: `CC-BY-4.0-ESP` has no entry and no address. */
export const MEXICO_LICENSES: readonly CkanLicense[] = [
  {
    id: 'notspecified',
    title: 'No se especificó la licencia',
    url: '',
    status: 'active',
    od_conformance: 'not reviewed',
    osd_conformance: 'not reviewed',
    family: '',
    is_generic: 'True',
    domain_data: 'False',
    domain_content: 'False',
    domain_software: 'False',
    maintainer: '',
  },
  {
    id: 'cc-by',
    title: 'Creative Commons Attribution',
    url: 'http://www.opendefinition.org/licenses/cc-by',
    status: 'active',
    od_conformance: 'approved',
    osd_conformance: 'not reviewed',
    family: '',
    is_generic: 'False',
    domain_data: 'False',
    domain_content: 'True',
    domain_software: 'False',
    maintainer: '',
  },
];

const ALCALDIAS = [
  'Álvaro Obregón',
  'AZCAPOTZALCO',
  'Benito Juárez',
  'BENITO JUAREZ',
  'Coyoacán',
  'Cuauhtémoc',
  'Gustavo A. Madero',
  'Iztapalapa',
  'Miguel Hidalgo',
  'Tlalpan',
] as const;

const point = ({ lon, lat }: { lon: number; lat: number }): string => `${lat}, ${lon}`;

/** A resource the loader has touched: internal addresses leak into its custom keys. */
function tableResource(packageName: string, name: string, table: CkanTable, format = 'CSV'): CkanResource {
  const id = uuidFrom(`resource/${packageName}/0`);
  const packageId = uuidFrom(`package/${packageName}`);
  const extension = format.toLowerCase();
  return {
    id,
    name,
    format,
    mimetype: format === 'CSV' ? 'text/csv' : null,
    size: 182_734,
    table,
    custom: {
      ckan_url: INTERNAL_HOST,
      original_url: `${INTERNAL_HOST}/dataset/${packageId}/resource/${id}/download/${id}.${extension}`,
      ignore_hash: false,
      queue_name: 'default',
      resource_id: id,
      set_url_type: false,
      task_created: '2026-08-28 05:07:57.227254',
    },
  };
}

function fileResource(name: string, format: string, size: number | string | null = null): CkanResource {
  return { name, format, size, mimetype: format === 'SHP' ? 'application/vnd.rar' : null };
}

const dictionary: CkanResource = {
  name: 'Diccionario de Datos',
  format: 'XLSX',
  mimetype: 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
  size: '5590',
  custom: { ckan_url: INTERNAL_HOST },
};

function pack(
  name: string,
  title: string,
  notes: string,
  groups: readonly string[],
  tags: readonly string[],
  resources: readonly CkanResource[],
  rest: Partial<CkanPackage> = {},
): CkanPackage {
  return {
    name,
    title,
    notes,
    groups,
    tags,
    resources: [...resources, dictionary],
    organization: 'secretaria-de-movilidad',
    licenseId: LICENSE,
    author: 'Secretaría de Movilidad',
    maintainer: 'SEMOVI',
    maintainerEmail: 'datosabiertos@example.org',
    created: '2026-08-27T22:40:21.986134',
    custom: { accrual_periodicity: 'no_aplica' },
    ...rest,
  };
}

const ecobici: CkanTable = {
  fields: [
    { id: 'id_estacion', type: 'int4' },
    { id: 'nombre', type: 'text', info: { label: 'Nombre de la estación', notes: '' } },
    { id: 'alcaldia', type: 'text' },
    { id: 'colonia', type: 'text' },
    { id: 'capacidad', type: 'int4' },
    { id: 'bicis_disponibles', type: 'int4' },
    { id: 'anclajes_disponibles', type: 'int4' },
    { id: 'en_servicio', type: 'bool' },
    { id: 'actualizado', type: 'timestamp' },
    { id: 'geo_point_2d', type: 'text' },
    { id: 'geo_shape', type: 'text' },
  ],
  records: () => {
    const random = createRandom(480);
    return times(420, (index) => {
      const place = placeNear(random, CENTER, 0.06);
      const capacity = random.int(12, 45);
      const isOff = index % 37 === 5;
      const bikes = isOff ? null : random.int(0, capacity);
      return {
        id_estacion: index + 1,
        nombre: `${String(index + 1).padStart(3, '0')} ${cycle(['Río Sena', 'Reforma', 'Durango', 'Álvaro Obregón', 'Niño Perdido', "Av. O'Gorman"], index)}`,
        alcaldia: cycle(ALCALDIAS, index),
        colonia: index % 9 === 0 ? null : cycle(['Juárez', 'Roma Norte', 'Condesa', 'Polanco'], index),
        capacidad: capacity,
        bicis_disponibles: bikes,
        anclajes_disponibles: bikes === null ? null : capacity - bikes,
        en_servicio: index % 50 === 49 ? null : !isOff,
        actualizado: naiveBefore(random.int(0, 10)),
        geo_point_2d: index % 60 === 59 ? null : point(place),
        geo_shape: JSON.stringify({ type: 'Point', coordinates: [place.lon, place.lat] }),
      };
    });
  },
};

const incidents: CkanTable = {
  fields: [
    { id: 'folio', type: 'text' },
    { id: 'fecha_creacion', type: 'timestamp' },
    { id: 'hora_creacion', type: 'text' },
    { id: 'dia_semana', type: 'text' },
    { id: 'incidente_c4', type: 'text' },
    { id: 'alcaldia_inicio', type: 'text' },
    { id: 'codigo_cierre', type: 'text' },
    { id: 'latitud', type: 'numeric' },
    { id: 'longitud', type: 'numeric' },
    { id: 'ano', type: 'int4' },
    { id: 'tipo_entrada', type: 'text' },
  ],
  records: () => {
    const random = createRandom(3000);
    return times(3000, (index) => {
      const place = placeNear(random, CENTER, 0.2);
      const minutes = index * 173;
      const instant = naiveBefore(minutes);
      return {
        folio: `C5/${String(261_005 - Math.floor(index / 90)).padStart(6, '0')}/${String(index).padStart(5, '0')}`,
        fecha_creacion: instant,
        hora_creacion: instant.slice(11),
        dia_semana: cycle(
          ['Lunes', 'Martes', 'Miércoles', 'Jueves', 'Viernes', 'Sábado', 'Domingo'],
          Math.floor(minutes / 1440),
        ),
        incidente_c4: random.pick([
          'accidente-choque sin lesionados',
          'accidente-choque con lesionados',
          'lesionado-atropellado',
          'accidente-motociclista',
          'accidente-ciclista',
        ]),
        alcaldia_inicio: random.chance(0.03) ? null : random.pick(ALCALDIAS),
        codigo_cierre: random.pick(['A', 'N', 'D', 'I', 'F']),
        latitud: random.chance(0.02) ? null : place.lat,
        longitud: random.chance(0.02) ? null : place.lon,
        ano: Number(instant.slice(0, 4)),
        tipo_entrada: random.pick(['LLAMADA DEL 911', 'RADIO', 'BOTÓN DE AUXILIO', 'CÁMARA']),
      };
    });
  },
};

const hard: CkanTable = {
  fields: [
    { id: 'gid', type: 'int4' },
    { id: 'libelle', type: 'text' },
    { id: 'date', type: 'text' },
    { id: 'group', type: 'text' },
    { id: '2e_nom', type: 'text' },
    { id: 'Nombre con espacios, coma y "comillas"', type: 'text' },
    { id: 'identifiant_long', type: 'int8' },
    { id: 'actif', type: 'bool' },
    { id: 'poids', type: 'float8' },
    { id: 'importe', type: 'numeric' },
    { id: 'instant', type: 'timestamp' },
    { id: 'variantes', type: '_text' },
    { id: 'extra', type: 'json' },
  ],
  records: HARD_TEXTS.map((text, index) => ({
    gid: index + 1,
    libelle: text,
    date: index % 4 === 0 ? null : `${2000 + (index % 20)}`,
    group: cycle(['A', 'b', null], index),
    '2e_nom': cycle(HARD_TEXTS, index * 7 + 3),
    'Nombre con espacios, coma y "comillas"': index % 2 === 0 ? 'sí' : null,
    identifiant_long: cycle(HARD_INTEGERS, index),
    actif: index % 5 === 0 ? null : index % 2 === 0,
    poids: index % 7 === 0 ? null : (index - 20) / 8,
    importe: index % 7 === 3 ? null : index * 1.25,
    instant: index % 6 === 1 ? null : naiveBefore(index * 487),
    variantes: index % 4 === 1 ? null : [text ?? 'sin nombre', `variante ${index % 3}`],
    extra: index % 3 === 0 ? null : { n: index },
  })),
};

/** A plain table of a few columns for the smaller packages. */
function simpleTable(seed: number, size: number, name: string, extra: string): CkanTable {
  return {
    fields: [
      { id: 'id', type: 'int4' },
      { id: name, type: 'text' },
      { id: extra, type: 'numeric' },
      { id: 'alcaldia', type: 'text' },
      { id: 'geo_point_2d', type: 'text' },
    ],
    records: () => {
      const random = createRandom(seed);
      return times(size, (index) => ({
        id: index + 1,
        [name]: `${cycle(['Pantitlán', 'Tacubaya', 'Hidalgo', 'Chapultepec', 'Indios Verdes', 'Xola'], index)} ${index + 1}`,
        [extra]: index % 13 === 4 ? null : random.int(10, 9000) / 10,
        alcaldia: cycle(ALCALDIAS, index),
        geo_point_2d: point(placeNear(random, CENTER, 0.15)),
      }));
    },
  };
}

/** Investigation files with the victim's age and sex and the exact place: what the open table leaves out. */
const victims: CkanTable = {
  fields: [
    { id: 'id_carpeta', type: 'text', info: { label: 'Carpeta de investigación', notes: '' } },
    { id: 'fecha_hecho', type: 'timestamp' },
    { id: 'fecha_inicio', type: 'timestamp' },
    { id: 'delito', type: 'text' },
    { id: 'categoria_delito', type: 'text' },
    { id: 'alcaldia_hecho', type: 'text' },
    { id: 'colonia_hecho', type: 'text' },
    { id: 'sexo_victima', type: 'text' },
    { id: 'edad_victima', type: 'int4' },
    { id: 'latitud', type: 'numeric' },
    { id: 'longitud', type: 'numeric' },
    { id: 'geo_point_2d', type: 'text' },
  ],
  records: () => {
    const random = createRandom(800);
    const crimes = [
      ['Robo a transeúnte en vía pública con violencia', 'Robo a transeúnte'],
      ['Robo de vehículo de servicio particular sin violencia', 'Robo de vehículo'],
      ['Violencia familiar', 'Delito de bajo impacto'],
      ['Lesiones dolosas por disparo de arma de fuego', 'Lesiones dolosas'],
      ['Fraude', 'Delito de bajo impacto'],
      ['Robo a casa habitación con violencia', 'Robo a casa habitación'],
    ] as const;
    const colonias = ['CENTRO', 'ROMA NORTE', 'DEL VALLE', 'DOCTORES', 'PENSIL', 'SANTA MARÍA LA RIBERA'] as const;
    return times(800, (index) => {
      const place = placeNear(random, CENTER, 0.15);
      const isPlaced = index < 5 || !random.chance(0.03);
      const [delito, categoria] = random.pick(crimes);
      const minutes = index * 641;
      return {
        id_carpeta: `CI-FIDV/${String(261_005 + index * 13).padStart(7, '0')}/26`,
        fecha_hecho: naiveBefore(minutes + random.int(30, 4_000)),
        fecha_inicio: naiveBefore(minutes),
        delito,
        categoria_delito: categoria,
        alcaldia_hecho: random.chance(0.02)
          ? null
          : random.pick(['CUAUHTÉMOC', 'IZTAPALAPA', 'BENITO JUÁREZ', 'GUSTAVO A. MADERO', 'COYOACÁN', 'TLALPAN']),
        colonia_hecho: random.chance(0.05) ? null : random.pick(colonias),
        sexo_victima: random.chance(0.1) ? null : random.pick(['Femenino', 'Masculino']),
        edad_victima: random.chance(0.15) ? null : random.int(12, 91),
        latitud: isPlaced ? place.lat : null,
        longitud: isPlaced ? place.lon : null,
        geo_point_2d: isPlaced ? point(place) : null,
      };
    });
  },
};

const MOVILIDAD = ['movilidad'];

export const MEXICO_PACKAGES: readonly CkanPackage[] = [
  pack(
    'estaciones-de-ecobici',
    'Estaciones de ECOBICI',
    'Ubicación y disponibilidad de bicicletas (bici, vélo, bike) en las estaciones del sistema ECOBICI.',
    MOVILIDAD,
    ['Bicicleta', 'ECOBICI', 'Movilidad', 'velo'],
    [tableResource('estaciones-de-ecobici', 'Estaciones de ECOBICI', ecobici)],
    { modified: '2026-10-05T08:15:03.102938', custom: { accrual_periodicity: 'diario' } },
  ),
  pack(
    'incidentes-viales-c5',
    'Incidentes viales reportados por C5',
    'Incidentes viales reportados al C5 desde 2024, actualizados **mensualmente**.',
    ['movilidad', 'justicia-y-seguridad'],
    ['C5', 'Choques', 'Incidentes viales'],
    [tableResource('incidentes-viales-c5', 'Incidentes viales', incidents)],
    {
      organization: 'c5',
      author: 'C5',
      modified: '2026-10-01T18:04:11.000001',
      custom: { accrual_periodicity: 'mensual' },
    },
  ),
  pack(
    'toponimia',
    'Toponimia',
    'Nombres de lugares tal como fueron capturados.',
    ['territorio'],
    ['Nombres'],
    [tableResource('toponimia', 'Toponimia', hard)],
    { organization: 'agencia-digital-de-innovacion-publica', author: 'ADIP', licenseId: 'notspecified' },
  ),
  pack(
    'ubicacion-de-rutas-del-transporte-publico-concesionado-de-ruta',
    'Ubicación de rutas del Transporte Público Concesionado de Ruta',
    'Geolocalización de 995 recorridos de transporte concesionado de ruta',
    MOVILIDAD,
    ['Concesionado', 'Ruta', 'Transporte Público'],
    [fileResource('Rutas (SHP)', 'SHP', 1_825_284), fileResource('Rutas (KMZ)', 'KMZ', '2543362')],
  ),
  pack(
    'estaciones-metro',
    'Líneas y estaciones del Metro',
    'Estaciones del Sistema de Transporte Colectivo Metro.',
    MOVILIDAD,
    ['Metro', 'Transporte Público'],
    [tableResource('estaciones-metro', 'Estaciones', simpleTable(195, 195, 'estacion', 'afluencia_media'))],
  ),
  pack(
    'estaciones-metrobus',
    'Estaciones del Metrobús',
    'Estaciones y líneas del Metrobús.',
    MOVILIDAD,
    ['Metrobús', 'Transporte Público'],
    [tableResource('estaciones-metrobus', 'Estaciones', simpleTable(234, 234, 'estacion', 'andenes'))],
  ),
  pack(
    'posicion-metrobus',
    'Posición de unidades del Metrobús',
    'Última posición conocida.',
    MOVILIDAD,
    ['Metrobús', 'Tiempo real'],
    [tableResource('posicion-metrobus', 'Posiciones', simpleTable(61, 320, 'vehicle_label', 'velocidad'))],
  ),
  pack(
    'afluencia-diaria-metro',
    'Afluencia diaria del Metro',
    'Afluencia por línea y día.',
    MOVILIDAD,
    ['Metro', 'Afluencia'],
    [tableResource('afluencia-diaria-metro', 'Afluencia', simpleTable(62, 800, 'linea', 'afluencia'))],
  ),
  pack(
    'ciclovias',
    'Infraestructura ciclista',
    'Ciclovías y carriles compartidos con bicicletas.',
    MOVILIDAD,
    ['Bicicleta', 'Ciclovía'],
    [fileResource('Ciclovías', 'GeoJSON', 734_210)],
  ),
  pack(
    'cablebus',
    'Líneas y estaciones del Cablebús',
    'Cablebús de la Ciudad de México.',
    MOVILIDAD,
    ['Cablebús', 'Transporte Público'],
    [fileResource('Cablebús', 'SHP', null)],
  ),
  pack(
    'parquimetros',
    'Parquímetros',
    'Ubicación de los parquímetros ecoParq.',
    MOVILIDAD,
    ['Estacionamiento'],
    [tableResource('parquimetros', 'Parquímetros', simpleTable(63, 410, 'clave', 'tarifa'))],
  ),
  pack(
    'biciestacionamientos',
    'Biciestacionamientos',
    'Biciestacionamientos masivos y semimasivos.',
    MOVILIDAD,
    ['Bicicleta', 'Estacionamiento'],
    [tableResource('biciestacionamientos', 'Biciestacionamientos', simpleTable(64, 22, 'nombre', 'lugares'))],
  ),
  pack(
    'verificacion-vehicular',
    'Verificación vehicular',
    'Resultados agregados de la verificación vehicular.',
    ['movilidad', 'medio-ambiente'],
    ['Vehículos', 'Emisiones'],
    [fileResource('Verificación 2025', 'CSV', 998_877_665)],
  ),
  pack(
    'carpetas-de-investigacion-fgj',
    'Carpetas de investigación FGJ',
    'Carpetas de investigación de delitos a nivel calle.',
    ['justicia-y-seguridad'],
    ['Delitos', 'FGJ'],
    [tableResource('carpetas-de-investigacion-fgj', 'Carpetas', simpleTable(65, 1200, 'delito', 'monto'))],
    { organization: 'fiscalia-general-de-justicia', author: 'FGJ' },
  ),
  pack(
    'victimas-en-carpetas-de-investigacion',
    'Víctimas en carpetas de investigación',
    'Víctimas por delito, sexo y edad.',
    ['justicia-y-seguridad'],
    ['Delitos', 'Víctimas'],
    [fileResource('Víctimas', 'CSV', 23_456_789)],
    { organization: 'fiscalia-general-de-justicia', author: 'FGJ' },
  ),
  pack(
    'calidad-del-aire',
    'Calidad del aire',
    'Mediciones horarias de contaminantes.',
    ['medio-ambiente', 'salud'],
    ['Aire', 'Contaminantes'],
    [tableResource('calidad-del-aire', 'Mediciones', simpleTable(66, 960, 'estacion', 'ozono'))],
    { organization: 'secretaria-del-medio-ambiente', author: 'SEDEMA' },
  ),
  pack(
    'areas-verdes',
    'Inventario de áreas verdes',
    'Polígonos de áreas verdes urbanas.',
    ['medio-ambiente'],
    ['Parques'],
    [fileResource('Áreas verdes', 'GeoJSON', '42 octets')],
    { organization: 'secretaria-del-medio-ambiente', author: 'SEDEMA' },
  ),
  pack(
    'consumo-agua',
    'Consumo de agua',
    'Consumo bimestral por colonia.',
    ['territorio'],
    ['Agua'],
    [tableResource('consumo-agua', 'Consumo', simpleTable(67, 640, 'colonia', 'consumo_m3'))],
    { organization: 'sistema-de-aguas', author: 'SACMEX', custom: { accrual_periodicity: 'bimestral' } },
  ),
  pack(
    'consumo-de-energia-en-edificios-publicos',
    'Consumo de energía en edificios públicos',
    'Consumo eléctrico (energy, energía) por inmueble.',
    ['energia', 'medio-ambiente'],
    ['Energía', 'Electricidad', 'energy'],
    [tableResource('consumo-de-energia-en-edificios-publicos', 'Consumo', simpleTable(68, 300, 'inmueble', 'kwh'))],
    { organization: 'secretaria-del-medio-ambiente', author: 'SEDEMA', custom: { accrual_periodicity: 'anual' } },
  ),
  pack(
    'alcaldias',
    'Alcaldías',
    'Límites de las alcaldías.',
    ['territorio'],
    ['Límites'],
    [tableResource('alcaldias', 'Alcaldías', simpleTable(69, 16, 'nomgeo', 'superficie'))],
    {
      organization: 'agencia-digital-de-innovacion-publica',
      author: 'ADIP',
      custom: { accrual_periodicity: 'no_aplica' },
    },
  ),
  pack(
    'hospitales-y-centros-de-salud',
    'Hospitales y centros de salud',
    'Unidades médicas.',
    ['salud'],
    ['Hospitales'],
    [tableResource('hospitales-y-centros-de-salud', 'Unidades', simpleTable(70, 320, 'nombre', 'camas'))],
    { organization: 'agencia-digital-de-innovacion-publica', author: 'ADIP' },
  ),
  pack(
    'victimas-en-carpetas-de-investigacion-detalle',
    'Víctimas en carpetas de investigación, detalle',
    'Edad, sexo y lugar exacto de cada hecho. Acceso restringido: solo por convenio.',
    ['justicia-y-seguridad'],
    ['Delitos', 'FGJ', 'Víctimas'],
    [tableResource('victimas-en-carpetas-de-investigacion-detalle', 'Víctimas', victims)],
    {
      organization: 'fiscalia-general-de-justicia',
      author: 'FGJ',
      modified: '2026-10-02T07:30:00.000001',
      licenseId: 'notspecified',
      isPrivate: true,
      custom: {
        accrual_periodicity: 'mensual',
        access_rights: 'http://publications.europa.eu/resource/authority/access-right/RESTRICTED',
      },
    },
  ),
  {
    name: 'cosechador-semovi',
    title: 'Cosechador SEMOVI (movilidad)',
    type: 'harvest',
    organization: 'secretaria-de-movilidad',
    groups: [],
    url: 'https://semovi.example/data.json',
    created: '2026-08-27T15:00:00.000000',
    custom: { source_type: 'dcat_json', active: true, frequency: 'WEEKLY', config: null },
  },
];

export const MEXICO_SITE_URL = SITE;
