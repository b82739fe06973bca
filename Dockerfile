# The codec, the bench and the service on CPUs: `docker build -t soundsafe .`, `docker run -p 8000:8000 soundsafe`.
FROM python:3.12-slim AS build
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_COMPILE=1
RUN python -m venv /opt/soundsafe
ENV PATH=/opt/soundsafe/bin:$PATH
# The build of PyTorch for CPUs first: pip's default is that for GPUs, which is 4 GB larger.
RUN pip install --index-url "$TORCH_INDEX" torch torchaudio
COPY . /src
RUN pip install "/src[serve]"
# What only compilers and tests of the libraries need is half a gigabyte.
RUN sh /src/.ci/slim /opt/soundsafe

FROM python:3.12-slim
RUN apt-get update && apt-get install -y --no-install-recommends rubberband-cli \
  && rm -rf /var/lib/apt/lists/* && useradd --create-home soundsafe
COPY --from=build /opt/soundsafe /opt/soundsafe
ENV PATH=/opt/soundsafe/bin:$PATH PYTHONDONTWRITEBYTECODE=1 NUMBA_CACHE_DIR=/tmp
USER soundsafe
WORKDIR /home/soundsafe
EXPOSE 8000
HEALTHCHECK --start-period=60s CMD \
  ["python", "-c", "import urllib.request as u; u.urlopen('http://localhost:8000/health', timeout=5)"]
# In a container the service must listen on its address; whoever reaches it can read and write marks.
CMD ["soundsafe", "serve", "--host", "0.0.0.0"]
